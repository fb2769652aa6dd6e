"""Parsing the cloud's answers: omitted defaults, numbers as strings, times with any number of digits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.errors import Code
from orchestrator.model import OperationError, decode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-10-11T11:22:21Z", datetime(2023, 10, 11, 11, 22, 21, tzinfo=UTC)),
        ("2023-10-11T11:22:21.5Z", datetime(2023, 10, 11, 11, 22, 21, 500_000, tzinfo=UTC)),
        ("2023-10-11T11:22:21.286786431Z", datetime(2023, 10, 11, 11, 22, 21, 286_786, tzinfo=UTC)),
        ("2023-10-11t11:22:21.000000001z", datetime(2023, 10, 11, 11, 22, 21, tzinfo=UTC)),
        ("2023-10-11T14:22:21+03:00", datetime(2023, 10, 11, 11, 22, 21, tzinfo=UTC)),
        ("2023-10-11T01:22:21.25-05:30", datetime(2023, 10, 11, 6, 52, 21, 250_000, tzinfo=UTC)),
        ("2023-10-11", None),
        ("2023-13-11T11:22:21Z", None),
        ("2023-10-11T11:22:21", None),
        ("2023-10-11T11:22:21+99:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("yesterday", None),
        (1697023341, None),
        (None, None),
    ],
)
def test_times_are_read_to_the_microsecond(text: object, expected: datetime | None) -> None:
    assert decode.timestamp(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("134217728", 134217728),
        (134217728, 134217728),
        ("9223372036854775807", 9223372036854775807),
        ("1.5", 1.5),
        (2.5, 2.5),
        ("-3", -3),
        (True, None),
        ("", None),
        ("many", None),
        ("NaN", None),
        ("Infinity", None),
        (float("nan"), None),
        (None, None),
        ([], None),
    ],
)
def test_numbers_may_be_strings(value: object, expected: float | None) -> None:
    assert decode.number(value) == expected


@pytest.mark.parametrize(("value", "expected"), [("7", 7), (7.0, 7), ("7.5", None), (7.5, None), ("x", None)])
def test_whole_numbers_are_whole(value: object, expected: int | None) -> None:
    assert decode.integer(value) == expected


def test_an_operation_with_everything_left_out_is_running() -> None:
    operation = decode.operation({"id": "d4e1"})
    assert (operation.id, operation.done, operation.error, operation.response) == ("d4e1", False, None, None)
    assert (operation.created_at, dict(operation.metadata)) == (None, {})


def test_an_operation_keeps_what_came_with_it() -> None:
    operation = decode.operation({"id": "d4e1", "done": True}, poll_after_s=2.0, request_id="r", server_trace_id="t")
    assert (operation.poll_after_s, operation.request_id, operation.server_trace_id) == (2.0, "r", "t")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"code": 3, "message": "m", "details": [{"@type": "x"}, "y"]},
            OperationError(3, "m", ({"@type": "x"},)),
        ),
        ({"code": "13"}, OperationError(13, "")),
        ({}, OperationError(2, "")),
        (None, None),
    ],
)
def test_an_operations_error_is_read(error: Any, expected: OperationError | None) -> None:
    assert decode.operation({"id": "d4e1", "error": error}).error == expected


def test_a_function_is_read() -> None:
    function = decode.function({"id": "d4e1", "folderId": "b1g", "name": "n", "labels": {"a": "b"}})
    assert (function.id, function.folder_id, function.name, function.status) == ("d4e1", "b1g", "n", "ACTIVE")
    assert function.labels == {"a": "b"}
    assert decode.function({"id": "d4e1", "labels": None}).labels == {}


def test_a_version_keeps_all_that_was_answered() -> None:
    json = {"id": "d4e1", "functionId": "d4e2", "status": "OBSOLETE", "tags": ["$latest"], "brandNew": {"x": 1}}
    version = decode.version(json)
    assert (version.id, version.function_id, version.status, version.tags) == ("d4e1", "d4e2", "OBSOLETE", ("$latest",))
    assert version.raw == json


@pytest.mark.parametrize("read", [decode.operation, decode.function, decode.version])
@pytest.mark.parametrize("json", [None, [], "text", {}, {"id": ""}, {"id": 7}])
def test_an_answer_without_an_id_cannot_be_used(read: Any, json: object) -> None:
    with pytest.raises(ValueError, match=r"the response is not an? "):
        read(json)


def test_a_quota_is_read() -> None:
    quota = decode.quota({"quotaId": "serverless.functions.count", "limit": "10", "usage": 2.0})
    assert (quota.id, quota.limit, quota.usage) == ("serverless.functions.count", 10, 2.0)


def test_an_error_body_tells_code_request_and_quota() -> None:
    details = [
        {
            "@type": "type.googleapis.com/yandex.cloud.quota.QuotaFailure",
            "violations": [{"metric": {"name": "serverless.functions.count", "limit": "10"}, "required": "11"}],
        },
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "r1"},
    ]
    body = decode.error_body({"code": 8, "message": "m", "details": details})
    assert body is not None
    assert (body.code, body.message, body.request_id) == (Code.RESOURCE_EXHAUSTED, "m", "r1")
    assert body.quota == "serverless.functions.count"
    assert len(body.details) == 2


@pytest.mark.parametrize("json", [None, [], "Bad Gateway", {}, {"message": "m"}, {"code": "x"}, {"code": True}])
def test_what_has_no_code_is_no_error_body(json: object) -> None:
    assert decode.error_body(json) is None


def test_a_code_that_is_not_known_is_none() -> None:
    body = decode.error_body({"code": 99, "message": "m", "details": "odd"})
    assert body is not None
    assert (body.code, body.message, body.details) == (None, "m", ())


TAG_ROW = {"functionId": "d4e1", "functionVersionId": "d4ev", "tag": "stable", "effectiveFrom": "2027-01-15T08:00:00Z"}


def test_a_tag_that_is_held_still_has_no_end() -> None:
    found = decode.tag_held(TAG_ROW)
    assert (found.tag, found.version_id, found.to_at) == ("stable", "d4ev", None)
    assert decode.tag_held({**TAG_ROW, "effectiveTo": "2027-01-15T08:00:00.000000001Z"}).to_at == found.from_at


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"effectiveFrom": None}, "effectiveFrom is not a time"),
        ({"effectiveTo": "tomorrow"}, "effectiveTo is not a time"),
        ({"effectiveTo": ""}, "effectiveTo is not a time"),
        ({"tag": ""}, "no tag"),
        ({"functionVersionId": 7}, "no functionVersionId"),
    ],
)
def test_a_tag_history_that_cannot_be_read_is_no_history(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        decode.tag_held({**TAG_ROW, **changed})
