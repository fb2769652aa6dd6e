"""Secrets out of what is shown: by their own look, by the name that they stand under, and by value where it is known.

Pure functions of text. Nothing that is sent passes through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from json import dumps
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

from orchestrator.journal.events import (
    Breached,
    BreakerOpened,
    Event,
    LeaseLost,
    LongWait,
    OperationDone,
    OutageBegan,
    RunEnded,
    StepRetried,
    UnitEnded,
    UnitPlanned,
)
from orchestrator.model import Blocked, Cancelled, Failed, Outcome, Unknown
from orchestrator.report.patterns import MARK, hide_by_look, hide_by_name, is_secret_name

LEAST = 6  # characters of a value known to be secret; shorter ones would take too much else with them
_PASSES = 5  # the first nearly always changes nothing, and is then the only one

_E = TypeVar("_E", bound=Event)
_A_NAME = re.compile(r"[\w.-]+")


class Redactor:
    """Redacts text and values. `add` teaches it values that are secret whatever they look like."""

    def __init__(self) -> None:
        # By their first characters, then by length, so that a text costs its length however many values there are.
        self._known: dict[str, dict[int, set[str]]] = {}

    def add(self, value: str) -> None:
        """Hide this value from now on, also as it looks inside JSON or a URL. Very short ones are passed over."""
        for form in {value, dumps(value)[1:-1], dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")}:
            if len(form) >= LEAST and form not in MARK:
                self._known.setdefault(form[:LEAST], {}).setdefault(len(form), set()).add(form)

    def text(self, text: str) -> str:
        """Redact a text. Doing it again changes nothing."""
        for _ in range(_PASSES):
            shown = hide_by_name(hide_by_look(self._without_known(text) if self._known else text))
            if shown == text:
                break
            text = shown  # what stood right after a secret may only now be seen to begin there
        return text

    def value(self, value: Any) -> Any:
        """Redact a value of JSON's kinds, however nested; anything else becomes its redacted text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode(errors="replace"))
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list | tuple | set | frozenset):
            items = list(value)
            if (
                len(items) == 2
                and isinstance(items[0], str)
                and _A_NAME.fullmatch(items[0])
                and is_secret_name(items[0])
            ):
                return [items[0], self._hidden(items[1])]  # a header, as a pair
            return [self.value(item) for item in items]
        if isinstance(value, PurePath | date | UUID):
            return self.text(str(value))
        return self.text(f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else repr(value))

    def event(self, event: _E) -> _E:
        """Redact the sentences of an event. Its ids and names stay: they are what a run goes on by."""
        match event:
            case UnitPlanned():
                warnings = tuple(self.text(warning) for warning in event.warnings)
                return replace(event, reason=self.text(event.reason), warnings=warnings)
            case StepRetried() | Breached() | BreakerOpened() | OutageBegan() | LongWait() | LeaseLost() | RunEnded():
                return replace(event, reason=self.text(event.reason))
            case OperationDone():
                return replace(event, error=self.text(event.error))
            case UnitEnded():
                return replace(event, outcome=self._outcome(event.outcome))
        return event

    def _outcome(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Failed):
            failure = outcome.failure
            message, advice, detail = (self.text(part) for part in (failure.message, failure.advice, failure.detail))
            return replace(outcome, failure=replace(failure, message=message, advice=advice, detail=detail))
        if isinstance(outcome, Blocked | Cancelled | Unknown):
            return replace(outcome, reason=self.text(outcome.reason))
        return outcome

    def _mapping(self, mapping: Mapping[Any, Any]) -> dict[Any, Any]:
        # {"name": "PASSWORD", "value": "…"}: the name is a value of its own
        named = any(
            isinstance(name := mapping.get(word), str) and is_secret_name(name)
            for word in ("name", "key", "environment_variable", "environmentVariable")
        )
        redacted = {}
        for key, value in mapping.items():
            hide = (isinstance(key, str) and is_secret_name(key)) or (named and key == "value")
            redacted[self.text(key) if isinstance(key, str) else key] = (
                self._hidden(value) if hide else self.value(value)
            )
        return redacted

    def _hidden(self, value: Any) -> Any:
        """Hide what stands under a secret's name. A structure there describes one, so it keeps its shape."""
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, Mapping):
            return self.value(value)
        if isinstance(value, list | tuple | set | frozenset):
            return [self._hidden(item) for item in value]
        return MARK

    def _without_known(self, text: str) -> str:
        parts, start, at, end = [], 0, 0, len(text) - LEAST
        while at <= end:
            forms = self._known.get(text[at : at + LEAST])
            length = max((n for n, same in forms.items() if text[at : at + n] in same), default=0) if forms else 0
            if length:
                parts += [text[start:at], MARK]
                start = at = at + length
            else:
                at += 1
        return "".join([*parts, text[start:]])


_BY_LOOK = Redactor()


def redact(text: str) -> str:
    """Redact a text by what secrets look like."""
    return _BY_LOOK.text(text)


def redact_value(value: Any) -> Any:
    """Redact a value, however nested, by what secrets look like and by the names that they stand under."""
    return _BY_LOOK.value(value)
