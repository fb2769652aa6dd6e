"""Strict parsing with the official protobufs, checked against their validation options.

`ParseDict` refuses unknown fields and wrong types. The options (`yandex.cloud.validation_pb2`) define what is required,
length and size limits, and patterns. Every body that a test sends and every answer of the sandbox passes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # noqa: F401  # no types; known to the pool
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]  # no types
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]  # no types
from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped]  # no types
from google.protobuf.message import Message  # type: ignore[import-untyped]  # no types
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # noqa: F401  # no types; known to the pool
from yandex.cloud import validation_pb2 as options
from yandex.cloud.access.access_pb2 import UpdateAccessBindingsRequest
from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.quota import quota_pb2  # noqa: F401 - the same
from yandex.cloud.serverless.functions.v1.function_pb2 import Function, Version
from yandex.cloud.serverless.functions.v1.function_service_pb2 import (
    CreateFunctionRequest,
    CreateFunctionVersionRequest,
    DeleteFunctionVersionRequest,
    ListFunctionTagHistoryResponse,
    RemoveFunctionTagRequest,
    RemoveScalingPolicyRequest,
    SetFunctionTagRequest,
    SetScalingPolicyRequest,
    UpdateFunctionRequest,
)

M = TypeVar("M", bound=Message)

_RANGE = re.compile(r"(?P<low>\d+)s?-(?P<high>\d+)s?|(?P<sign><=|>=|<|>|=)?(?P<bound>\d+)s?")


class RuleBrokenError(AssertionError):
    """JSON that is not the expected message, or breaks a declared rule."""


def parse_create_version(body: Mapping[str, Any]) -> CreateFunctionVersionRequest:
    """Parse a createVersion body. Raises `RuleBrokenError`."""
    return _parse(body, CreateFunctionVersionRequest())


def parse_create_function(body: Mapping[str, Any]) -> CreateFunctionRequest:
    return _parse(body, CreateFunctionRequest())


def parse_update_function(function_id: str, body: Mapping[str, Any]) -> UpdateFunctionRequest:
    """Parse the body of an update; the ID is in the path."""
    return _parse({"functionId": function_id, **body}, UpdateFunctionRequest())


def parse_deletion(version_id: str, body: Mapping[str, Any]) -> DeleteFunctionVersionRequest:
    """Parse a deleteVersion; the ID is in the path, and there is no body."""
    return _parse({"functionVersionId": version_id, **body}, DeleteFunctionVersionRequest())


def parse_tagging(
    call: str, version_id: str, body: Mapping[str, Any]
) -> SetFunctionTagRequest | RemoveFunctionTagRequest:
    """Parse the body of setTag or removeTag; the ID is in the path."""
    message = SetFunctionTagRequest() if call == "setTag" else RemoveFunctionTagRequest()
    return _parse({"functionVersionId": version_id, **body}, message)


def parse_scaling(
    call: str, function_id: str, body: Mapping[str, Any]
) -> SetScalingPolicyRequest | RemoveScalingPolicyRequest:
    """Parse the body of setScalingPolicy or removeScalingPolicy; the ID is in the path."""
    message = SetScalingPolicyRequest() if call == "setScalingPolicy" else RemoveScalingPolicyRequest()
    return _parse({"functionId": function_id, **body}, message)


def parse_access(function_id: str, body: Mapping[str, Any]) -> UpdateAccessBindingsRequest:
    """Parse the body of updateAccessBindings; the ID is in the path."""
    return _parse({"resourceId": function_id, **body}, UpdateAccessBindingsRequest())


def parse_tag_history(json: Mapping[str, Any]) -> ListFunctionTagHistoryResponse:
    return _parse(json, ListFunctionTagHistoryResponse())


def parse_operation(json: Mapping[str, Any]) -> Operation:
    """Parse an Operation, with its metadata and response."""
    operation = _parse(json, Operation())
    if operation.done and operation.WhichOneof("result") is None:
        raise RuleBrokenError("an Operation that is done has an error or a response")
    response = json.get("response")
    if response and response["@type"].endswith(".Version"):
        parse_version({name: value for name, value in response.items() if name != "@type"})
    return operation


def parse_version(json: Mapping[str, Any]) -> Version:
    return _parse(json, Version())


def parse_function(json: Mapping[str, Any]) -> Function:
    return _parse(json, Function())


def _parse(json: Mapping[str, Any], message: M) -> M:
    try:
        ParseDict(dict(json), message, ignore_unknown_fields=False)
    except ParseError as error:
        raise RuleBrokenError(str(error)) from error
    broken = list(_broken(message, ""))
    if broken:
        raise RuleBrokenError("; ".join(broken))
    return message


def _broken(message: Message, path: str) -> Iterator[str]:
    for oneof in message.DESCRIPTOR.oneofs:
        if oneof.GetOptions().Extensions[options.exactly_one] and message.WhichOneof(oneof.name) is None:
            yield f"{path}{oneof.name}: exactly one is needed"
    for field in message.DESCRIPTOR.fields:
        yield from _broken_field(message, field, f"{path}{field.name}")


def _broken_field(message: Message, field: FieldDescriptor, path: str) -> Iterator[str]:
    rules = field.GetOptions().Extensions
    value = getattr(message, field.name)
    repeated = field.is_repeated
    is_map = repeated and field.message_type is not None and field.message_type.GetOptions().map_entry
    is_set = bool(value) if repeated or field.message_type is None else message.HasField(field.name)
    if rules[options.required] and not is_set:
        yield f"{path}: required"
    if not is_set:
        return
    if repeated and rules[options.size] and not _within(rules[options.size], len(value)):
        yield f"{path}: size {len(value)} is not {rules[options.size]}"
    if repeated and rules[options.unique] and len(set(value)) < len(value):
        yield f"{path}: not unique"
    if is_map:
        for key in value:
            yield from _broken_text(key, rules[options.map_key], f"{path} key")
    for item in _items(value, repeated=repeated, is_map=is_map):
        if isinstance(item, Message) and not isinstance(item, Duration):
            yield from _broken(item, f"{path}.")
        else:
            yield from _broken_scalar(item, rules, path)


def _items(value: Any, *, repeated: bool, is_map: bool) -> Iterable[Any]:
    if is_map:
        return list(value.values())
    return list(value) if repeated else [value]


def _broken_scalar(item: Any, rules: Any, path: str) -> Iterator[str]:
    if rules[options.pattern] and not re.fullmatch(rules[options.pattern], item):
        yield f"{path}: {item!r} does not match {rules[options.pattern]}"
    if rules[options.length] and not _within(rules[options.length], len(item)):
        yield f"{path}: length {len(item)} is not {rules[options.length]}"
    if rules[options.value]:
        number = item.ToTimedelta().total_seconds() if isinstance(item, Duration) else item
        if not _within(rules[options.value], number):
            yield f"{path}: {number} is not {rules[options.value]}"


def _broken_text(text: str, rule: Any, path: str) -> Iterator[str]:
    if rule.pattern and not re.fullmatch(rule.pattern, text):
        yield f"{path}: {text!r} does not match {rule.pattern}"
    if rule.length and not _within(rule.length, len(text)):
        yield f"{path}: length {len(text)} is not {rule.length}"


def _within(rule: str, number: float) -> bool:
    found = _RANGE.fullmatch(rule)
    if found is None:
        raise ValueError(f"a rule of a form that is not known: {rule}")
    if found["low"] is not None:
        return int(found["low"]) <= number <= int(found["high"])
    bound = int(found["bound"])
    signs = {"<=": number <= bound, ">=": number >= bound, "<": number < bound, ">": number > bound}
    return signs.get(found["sign"] or "=", number == bound)
