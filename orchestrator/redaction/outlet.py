"""The one way out: whatever is shown or written for people and programs is made `Safe` here, whatever the channel."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.redaction.redactor import Redactor
from orchestrator.redaction.safe import Safe, one_line, several_lines, to_json, uncommanding

T = TypeVar("T")

# Fields that have lines of their own, and fields that no format shows.
_SEVERAL_LINES = frozenset({"detail", "text"})
_NOT_SHOWN = frozenset({"settings", "code", "verify", "paths", "before", "requests", "done"})


class Outlet:
    """Makes texts safe: no secret, no character that commands a terminal, no line that commands a CI."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor

    def line(self, text: str) -> Safe:
        """Make one line of a text, foreign or not."""
        return Safe(uncommanding(one_line(self.redactor.text(text))))

    def lines(self, text: str) -> Safe:
        """Keep the lines of a text."""
        return self.rendered(self.redactor.text(text))

    def rendered(self, text: str) -> Safe:
        """Let lines of ours out whose foreign parts went through `value`."""
        return Safe(uncommanding(several_lines(text)))

    def json(self, value: Any, *, indent: bool = False) -> Safe:
        """Write a value as JSON, on one line or indented."""
        return to_json(self.redactor.value(value), indent=indent)

    def value(self, value: T) -> T:
        """Copy a value to be shown to people, every text in it redacted and on one line, but for what has lines."""
        made: T = self._value(value, one_line)
        return made

    def _value(self, value: Any, lines: Callable[[str], str]) -> Any:
        if isinstance(value, str):
            shown = value if isinstance(value, Enum) else lines(self.redactor.text(value))
            return value if shown == value else shown
        if isinstance(value, Path):
            return Path(self._value(str(value), lines))
        if is_dataclass(value) and not isinstance(value, type):
            return self._record(value)
        if isinstance(value, Mapping):
            made = {self._value(key, lines): self._value(item, lines) for key, item in value.items()}
            return value if all(map(_same, made.values(), value.values())) and made.keys() == value.keys() else made
        if isinstance(value, list | tuple):
            items = [self._value(item, lines) for item in value]
            return value if all(map(_same, items, value)) else type(value)(items)
        return value

    def _record(self, record: Any) -> Any:
        made = None
        for name in _shown(record.__class__):
            value = getattr(record, name)
            shown = self._value(value, several_lines if name in _SEVERAL_LINES else one_line)
            if shown is not value:
                made = made if made is not None else copy.copy(record)
                object.__setattr__(made, name, shown)  # of frozen ones too: it is our own copy
        return record if made is None else made


def _same(one: object, other: object) -> bool:
    return one is other


@cache
def _shown(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in _NOT_SHOWN)
