"""What Operations, Functions and Versions offer, so that no other module uses the API's spelling."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model import Function, Operation
from tests.builders import version

_TYPE = "type.googleapis.com/yandex.cloud.serverless.functions.v1."


def operation(response: dict[str, Any] | None = None, **metadata: Any) -> Operation:
    return Operation("op1", done=response is not None, metadata=metadata, response=response)


def test_an_operation_names_what_it_is_about() -> None:
    found = operation(functionId="d4e", functionVersionId="d4v")
    assert (found.function_id, found.version_id, found.made_id) == ("d4e", "d4v", "")


def test_an_operation_that_names_nothing_says_so() -> None:
    for found in (operation(), operation(functionId=None, functionVersionId=None), operation({})):
        assert (found.function_id, found.version_id, found.made_id) == ("", "", "")


def test_what_was_made_is_in_the_response() -> None:
    assert operation({"id": "d4e"}).made_id == "d4e"


@pytest.mark.parametrize(
    ("kind", "makes"),
    [
        ("CreateFunctionVersionMetadata", True), ("CreateFunctionMetadata", False), ("SetFunctionTagMetadata", False),
        ("DeleteFunctionVersionMetadata", False),
    ],
)  # fmt: skip
def test_only_a_create_version_makes_a_version(kind: str, makes: bool) -> None:
    metadata: dict[str, Any] = {"@type": _TYPE + kind, "functionVersionId": "d4v"}
    assert operation(**metadata).makes_version is makes
    assert not operation(functionVersionId="d4v").makes_version


@pytest.mark.parametrize(
    ("status", "creating", "active"), [("CREATING", True, False), ("ACTIVE", False, True), ("OBSOLETE", False, False)]
)
def test_versions_and_functions_say_whether_they_are_made(status: str, creating: bool, active: bool) -> None:
    found = version("d4v", "d4e", status=status)
    assert (found.is_creating, found.is_active) == (creating, active)
    assert Function("d4e", "b1g", "f", status).is_creating is creating


def test_a_version_knows_its_runtime() -> None:
    assert version("d4v", "d4e", runtime="python312").runtime == "python312"
    assert version("d4v", "d4e").runtime == ""
