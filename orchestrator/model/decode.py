"""Converts the cloud's JSON to model values, the same for every adapter.

proto3 JSON omits defaults, writes int64 as strings and times with 0 to 9 fractional digits. All of this is accepted,
and also numbers in place of strings. Raises `ValueError` for an answer that is not what it should be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.errors import Code
from orchestrator.model import (
    AccessBinding,
    Function,
    Json,
    Operation,
    OperationError,
    Quota,
    ScalingPolicy,
    SecretVersion,
    ServiceAccount,
    TagHeld,
    Version,
)

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_REQUEST_INFO = "google.rpc.RequestInfo"
_QUOTA_FAILURE = "yandex.cloud.quota.QuotaFailure"


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The flat body of a refused call. `quota`: the metric of a QuotaFailure, "" for none."""

    code: Code | None
    message: str
    details: tuple[Json, ...] = ()
    request_id: str = ""
    quota: str = ""


def timestamp(value: object) -> datetime | None:
    """Parse an RFC3339 time, to the microsecond, as UTC; None if it is invalid (a time is never worth a failure)."""
    text = value.upper() if isinstance(value, str) else ""
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def operation(
    json: object, *, poll_after_s: float | None = None, request_id: str = "", server_trace_id: str = ""
) -> Operation:
    """Parse an Operation. `done` may be missing while it is false. `error` may come before it."""
    fields = _object(json, "an Operation")
    return Operation(
        id=_id(fields, "an Operation"),
        done=fields.get("done") is True,
        description=_text(fields, "description"),
        created_at=timestamp(fields.get("createdAt")),
        modified_at=timestamp(fields.get("modifiedAt")),
        metadata=_map(fields.get("metadata")),
        error=_operation_error(fields.get("error")),
        response=_map(fields["response"]) if isinstance(fields.get("response"), Mapping) else None,
        poll_after_s=poll_after_s,
        request_id=request_id,
        server_trace_id=server_trace_id,
        created_by=_text(fields, "createdBy"),
    )


def _operation_error(json: object) -> OperationError | None:
    if not isinstance(json, Mapping):
        return None
    code = integer(json.get("code"))
    return OperationError(Code.UNKNOWN if code is None else code, _text(json, "message"), _details(json))


def function(json: object) -> Function:
    """Parse a Function."""
    fields = _object(json, "a Function")
    return Function(
        id=_id(fields, "a Function"),
        folder_id=_text(fields, "folderId"),
        name=_text(fields, "name"),
        status=_text(fields, "status") or "ACTIVE",
        labels={str(key): str(value) for key, value in _map(fields.get("labels")).items()},
        description=_text(fields, "description"),
        invoke_url=_text(fields, "httpInvokeUrl"),
    )


def version(json: object) -> Version:
    """Parse a Version. All of it is kept in `raw`."""
    fields = _object(json, "a Version")
    return Version(
        id=_id(fields, "a Version"),
        function_id=_text(fields, "functionId"),
        status=_text(fields, "status"),
        description=_text(fields, "description"),
        created_at=timestamp(fields.get("createdAt")),
        tags=tuple(tag for tag in _list(fields.get("tags")) if isinstance(tag, str)),
        raw=fields,
    )


def scaling_policy(json: object) -> ScalingPolicy:
    """Parse a scaling policy. An invalid count is an error: as 0 it would look like no limit."""
    fields = _object(json, "a scaling policy")
    tag = _text(fields, "tag")
    if not tag:
        raise ValueError("the response is not a scaling policy: it has no tag")
    names = ("provisionedInstancesCount", "zoneInstancesLimit", "zoneRequestsLimit")
    counts = [0 if fields.get(name) is None else integer(fields[name]) for name in names]
    if None in counts:
        raise ValueError(f"{names[counts.index(None)]} is not a number")
    return ScalingPolicy(tag, *(count or 0 for count in counts))


def access_binding(json: object) -> AccessBinding:
    """Parse an access binding. An invalid one is an error: skipped, it would look like no access."""
    fields = _object(json, "an access binding")
    role, subject = _text(fields, "roleId"), _map(fields.get("subject"))
    if not role or not _text(subject, "id"):
        raise ValueError("the response is not an access binding: it has no roleId or no subject")
    return AccessBinding(role, _text(subject, "id"), _text(subject, "type"))


def quota(json: object) -> Quota:
    """Parse one entry of quota-manager's `quotaLimits`."""
    fields = _object(json, "a quota limit")
    return Quota(_text(fields, "quotaId"), number(fields.get("limit")) or 0.0, number(fields.get("usage")) or 0.0)


def secret_version(json: object) -> SecretVersion:
    """Parse one version of a secret."""
    fields = _object(json, "a version of a secret")
    keys = tuple(key for key in _list(fields.get("payloadEntryKeys")) if isinstance(key, str))
    return SecretVersion(_id(fields, "a version of a secret"), _text(fields, "status"), keys)


def service_account(json: object) -> ServiceAccount:
    """Parse a service account."""
    fields = _object(json, "a service account")
    return ServiceAccount(
        _id(fields, "a service account"), _text(fields, "name"), _text(fields, "folderId"), _text(fields, "status")
    )


def tag_held(json: object) -> TagHeld:
    """Parse one row of a tag history. An invalid time is an error: without its end, a former holder would look like the
    present one.
    """
    fields = _object(json, "a tag history record")
    found = TagHeld(
        tag=_text(fields, "tag"),
        version_id=_text(fields, "functionVersionId"),
        from_at=_time(fields, "effectiveFrom"),
        to_at=_time(fields, "effectiveTo") if fields.get("effectiveTo") is not None else None,
    )
    if not found.tag or not found.version_id:
        raise ValueError("the response is not a tag history record: it has no tag or no functionVersionId")
    return found


def _time(fields: Mapping[str, Any], name: str) -> datetime:
    found = timestamp(fields.get(name))
    if found is None:
        raise ValueError(f"{name} is not a time")
    return found


def error_body(json: object) -> ErrorBody | None:
    """Parse the body of a refused call, None if it is another body (for example a proxy's answer)."""
    if not isinstance(json, Mapping) or integer(json.get("code")) is None:
        return None
    details = _details(json)
    return ErrorBody(_code(json.get("code")), _text(json, "message"), details, _request_id(details), _metric(details))


def _code(value: object) -> Code | None:
    try:
        return Code(integer(value) or 0)
    except ValueError:
        return None


def _request_id(details: tuple[Json, ...]) -> str:
    return next((_text(item, "requestId") for item in details if _is(item, _REQUEST_INFO)), "")


def _metric(details: tuple[Json, ...]) -> str:
    for item in details:
        if _is(item, _QUOTA_FAILURE):
            for violation in _list(item.get("violations")):
                name = _text(_map(_map(violation).get("metric")), "name")
                if name:
                    return name
    return ""


def _is(detail: Json, type_name: str) -> bool:
    return _text(detail, "@type").rpartition("/")[2] == type_name


def integer(value: object) -> int | None:
    """Return an int64 from a string or a number, None if it is neither."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def number(value: object) -> float | int | None:
    """Return a number from a number or a string, None if it is neither, infinite or NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) else _finite(value)
    except ValueError:
        try:
            return _finite(float(value))
        except ValueError:
            return None


def _finite(value: float) -> float | None:
    return value if value - value == 0 else None


def _object(json: object, what: str) -> Mapping[str, Any]:
    if not isinstance(json, Mapping):
        raise ValueError(f"the response is not {what}: it is not a JSON object")  # noqa: TRY004 - one kind for all callers
    return json


def _id(fields: Mapping[str, Any], what: str) -> str:
    found = fields.get("id")
    if not isinstance(found, str) or not found:
        raise ValueError(f"the response is not {what}: it has no id")
    return found


def _text(fields: Mapping[str, Any], name: str) -> str:
    found = fields.get(name)
    return found if isinstance(found, str) else ""


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _details(fields: Mapping[str, Any]) -> tuple[Json, ...]:
    return tuple(item for item in _list(fields.get("details")) if isinstance(item, Mapping))
