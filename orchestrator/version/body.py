"""The requests about Versions, as the API spells them: the body of createVersion (proto3 JSON;
cloud-api#fields), tags.
"""

from __future__ import annotations

import base64
from operator import attrgetter
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from orchestrator.model import ApiRequest, Failure, Json, Settings, StoredObject, VersionCopy
from orchestrator.version.codec import only_set
from orchestrator.version.fields import FIELDS, TAGS

INLINE_MAX_BYTES = 3_670_016  # of the raw zip; the API's documented 52,428,800 never worked (cloud-api#packages)

_ROWS = (*FIELDS, TAGS)
_VALUES = attrgetter(*(row.setting for row in _ROWS))


def body(
    function_id: str,
    settings: Settings,
    package: dict[str, Any],
    description: str,
    as_it_is: Json = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the whole body. `package`: one of the three sources below. Unset fields are left out. `as_it_is`: fields
    that are sent unchanged, beyond the known settings.
    """
    return {"functionId": function_id, **settings_fields(settings, description), **as_it_is, **package}


def too_large(size_bytes: int) -> Failure | None:
    """Return why a zip of that size cannot be sent without a bucket, None if it can."""
    if size_bytes <= INLINE_MAX_BYTES:
        return None
    return Failure(
        f"the package has {size_bytes:,} bytes; without a bucket, at most {INLINE_MAX_BYTES:,} can be sent",
        kind="package",
        advice="set `bucket` in [storage] of deploy.toml",
    )


def version_request(sent: Json) -> ApiRequest:
    """Return the request for a new Version. `sent`: from `body`."""
    return ApiRequest("createVersion", "POST", "/functions/v1/versions", sent)


def set_tag_request(version_id: str, tag: str) -> ApiRequest:
    """Return the request to move a tag to a Version. A Version of the same Function that has it loses it."""
    return _tag_request("setTag", version_id, tag)


def remove_tag_request(version_id: str, tag: str) -> ApiRequest:
    """Return the request to remove a tag from the Version that holds it."""
    return _tag_request("removeTag", version_id, tag)


def _tag_request(call: str, version_id: str, tag: str) -> ApiRequest:
    return ApiRequest(call, "POST", f"/functions/v1/versions/{quote(version_id, safe='')}:{call}", {"tag": tag})


def delete_version_request(version_id: str) -> ApiRequest:
    """Return the request to delete a Version, never by force: if it has got a tag since, it is refused."""
    return ApiRequest("deleteVersion", "DELETE", f"/functions/v1/versions/{quote(version_id, safe='')}", {})


def from_bucket(stored: StoredObject) -> dict[str, Any]:
    """Return the code fields for a package of ours in Object Storage."""
    return {"package": {"bucketName": stored.bucket, "objectName": stored.key, "sha256": stored.sha256}}


def from_object(bucket: str, object: str, sha256: str | None) -> dict[str, Any]:
    """Return the code fields for an object that someone else put there."""
    package = {"bucketName": bucket, "objectName": object}
    return {"package": package | ({"sha256": sha256} if sha256 else {})}


def inline(archive: bytes) -> dict[str, Any]:
    """Return the code fields with the zip itself, at most `INLINE_MAX_BYTES`: the caller checks this."""
    return {"content": base64.b64encode(archive).decode("ascii")}


def copy_of(version: VersionCopy) -> dict[str, Any]:
    """Return the code fields to copy another Version. `version_id` is a real ID by now."""
    return {"versionId": version.version_id}


def settings_fields(settings: Settings, description: str) -> dict[str, Any]:
    """Return every field except the function and the code."""
    given = zip(_ROWS, _VALUES(settings), strict=True)
    fields = {row.api: row.codec.encode(value) for row, value in given if value is not None}
    return only_set({**fields, "description": description})


def canonical(settings: Settings) -> dict[str, Any]:
    """Return the form that the fingerprint is computed from: without tags, and lists without an order are sorted."""
    fields = settings_fields(settings, settings.description)
    return {row.api: row.codec.canonical(fields[row.api]) for row in FIELDS if row.api in fields}
