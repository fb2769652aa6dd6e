"""The only exit: whatever is shown or written for people and programs is made `Safe` here, on every channel."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from html import escape
from operator import is_
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from orchestrator.redaction.redactor import Redactor
from orchestrator.redaction.safe import Safe, in_element, one_line, several_lines, to_json, uncommanding

T = TypeVar("T")
Lines = Callable[[str], str]  # formats a text on one line, or on several

_SEEN_MAX = 10_000  # number of texts that are remembered

# Fields whose line breaks are kept, and fields that no format shows.
_SEVERAL_LINES = frozenset({"detail", "text"})
_NOT_SHOWN = frozenset({"settings", "code", "verify", "paths", "digests", "before", "requests", "done"})


class Outlet:
    """Makes texts safe: no secrets, no characters that control a terminal, no lines that command a CI."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor

    def line(self, text: str) -> Safe:
        """Return any text on one line."""
        return Safe(uncommanding(one_line(self.redactor.text(text))))

    def lines(self, text: str) -> Safe:
        """Return any text with its lines kept."""
        return self.rendered(self.redactor.text(text))

    def rendered(self, text: str) -> Safe:
        """Return lines of ours whose external parts went through `value`."""
        return Safe(uncommanding(several_lines(text)))

    def json(self, value: Any, *, indent: bool = False, ours: Mapping[str, str] = MappingProxyType({})) -> Safe:
        """Return a value as JSON, on one line or indented. `ours`: added to a mapping; contains no external text."""
        redacted = self.redactor.value(value)
        return to_json({**redacted, **ours} if ours else redacted, indent=indent)

    def script_data(self, value: Any) -> Safe:
        """Return a value as JSON for an element of a page. Its texts went through `value`."""
        return in_element(to_json(value))

    def page(self, *parts: str) -> Safe:
        """Join a page from our own markup and from results of `script_data` and `element_text`."""
        return Safe("".join(parts))

    def element_text(self, text: str) -> Safe:
        """Return any text as the text of an element or as the value of a quoted attribute."""
        return Safe(escape(self.line(text)))

    def value(self, value: T) -> T:
        """Copy a value for display. Every text in it is redacted and put on one line, unless its lines are kept."""
        made: T = _Copier(self.redactor).copied(value, one_line)
        return made


class _Copier:
    """Copies one value. A text is processed once as long as few others come between: in a run of 30,000 functions most
    texts repeat.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._seen: dict[Lines, dict[str, str]] = {one_line: {}, several_lines: {}}

    def copied(self, value: Any, lines: Lines) -> Any:
        """Return a copy, or the value itself if nothing in it changes. `lines`: formats a text."""
        kind = type(value)
        if kind is str:
            return self._text(value, lines)
        how = _HOW.get(kind) or _how(kind)
        return how(self, value, lines)

    def _text(self, text: str, lines: Lines) -> str:
        seen = self._seen[lines]
        shown = seen.get(text)
        if shown is None:
            shown = lines(self._redactor.text(text))
            shown = text if shown == text else shown
            if len(seen) >= _SEEN_MAX:
                seen.clear()
            seen[text] = shown
        return text if shown == text else shown

    def as_it_is(self, value: Any, _lines: Lines) -> Any:
        """Return a value without text."""
        return value

    def text(self, value: Any, lines: Lines) -> Any:
        """Copy a text of a subclass of str."""
        shown = self._text(str(value), lines)
        return value if shown == value else shown

    def path(self, value: Any, lines: Lines) -> Any:
        """Copy a path."""
        text = str(value)
        shown = self._text(text, lines)
        return value if shown == text else Path(shown)

    def record(self, record: Any, _lines: Lines) -> Any:
        """Copy a dataclass."""
        made = None
        for name in _shown(record.__class__):
            value = getattr(record, name)
            shown = self.copied(value, several_lines if name in _SEVERAL_LINES else one_line)
            if shown is not value:
                made = made if made is not None else copy.copy(record)
                object.__setattr__(made, name, shown)  # works for frozen ones too: it is our own copy
        return record if made is None else made

    def mapping(self, value: Any, lines: Lines) -> Any:
        """Copy a mapping, including its keys."""
        made = {self.copied(key, lines): self.copied(item, lines) for key, item in value.items()}
        return value if all(map(is_, made.values(), value.values())) and made.keys() == value.keys() else made

    def items(self, value: Any, lines: Lines) -> Any:
        """Copy a list or a tuple."""
        items = [self.copied(item, lines) for item in value]
        return value if all(map(is_, items, value)) else type(value)(items)


How = Callable[[_Copier, Any, Lines], Any]
_HOW: dict[type[Any], How] = {}  # by the kinds seen so far


def _how(kind: type[Any]) -> How:
    """Return how a kind of value is copied."""
    how: How
    if issubclass(kind, str):
        how = _Copier.as_it_is if issubclass(kind, Enum) else _Copier.text  # the texts of an Enum are ours
    elif issubclass(kind, Path):
        how = _Copier.path
    elif is_dataclass(kind):
        how = _Copier.record
    elif issubclass(kind, Mapping):
        how = _Copier.mapping
    else:
        how = _Copier.items if issubclass(kind, list | tuple) else _Copier.as_it_is
    _HOW[kind] = how
    return how


@cache
def _shown(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in _NOT_SHOWN)
