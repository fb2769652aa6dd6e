"""What a Function itself has, whichever version serves: ONE ROW A FIELD, as `version.fields` has for versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model import ApiRequest
from orchestrator.version.codecs import Codec, Text, TextMap, only_set
from orchestrator.version.stamp import digest_of, key_of


@dataclass(frozen=True, slots=True)
class FunctionField:
    """One field of a Function. `setting`: in `model.FunctionSpec`; `api`: in the API's JSON."""

    setting: str
    api: str
    codec: Codec


FUNCTION_FIELDS = (
    FunctionField("name", "name", Text()),
    FunctionField("labels", "labels", TextMap()),
)


def function_request(folder_id: str, name: str, labels: Mapping[str, str]) -> ApiRequest:
    """Ask for a new Function."""
    given: dict[str, Any] = {"name": name, "labels": labels}
    body = {"folderId": folder_id, **{row.api: row.codec.encode(given[row.setting]) for row in FUNCTION_FIELDS}}
    return ApiRequest("create function", "POST", "/functions/v1/functions", only_set(body))


def function_key(folder_id: str, name: str, labels: Mapping[str, str], attempt: int) -> str:
    """Make the Idempotency-Key of creating a Function: of everything that its body has, and the attempt."""
    return key_of("create", folder_id, name, digest_of({"labels": dict(labels)}), str(attempt))
