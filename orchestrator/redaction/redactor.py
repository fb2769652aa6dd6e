"""Removes secrets from what is shown: by their form, by their name, and by value if it is known.

Pure functions of text. Nothing that is sent passes through here. docs/redaction.md defines what is secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from datetime import date
from enum import Enum
from functools import cache
from json import dumps, loads
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

from orchestrator.journal.events import Event
from orchestrator.model import Action, ChangeKind, FunctionSpec, Step, Verify
from orchestrator.redaction.patterns import (
    LEAST,
    MARK,
    hide,
    is_plain_word,
    is_secret_name,
    is_secret_variable,
    is_worth_hiding,
)

_PASSES = 5  # the first one nearly always changes nothing, and is then the only one
_SEEN_MAX = 10_000  # number of texts whose redaction is remembered
_SEEN_MAX_CHARACTERS = 200  # maximum length of such a text

# The ranges that may begin a known value. Covers most texts completely, without a line of Python for each position.
_BEGINNINGS = tuple(slice(at, at + LEAST) for at in range(500))  # covers texts of up to this many characters

_E = TypeVar("_E", bound=Event)
_A_NAME = re.compile(r"[\w.-]+")
_WORD = re.compile(r"[\w$.-]")
_GOES_ON = re.compile(r"[\w$-]|\.\w")  # whether a word continues after its beginning
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
# Fields that resuming depends on: no event may lose them. What displays them must redact them.
EXACT = frozenset({
    "key", "name", "run_id", "resumes", "verb", "endpoint", "manifest", "folder_id", "function_id", "operation_id",
    "version_id", "base_version_id", "idempotency_key", "fingerprint", "action", "call", "what", "before", "changes",
    "bucket", "object", "sha256", "identity",
})  # fmt: skip
# Our own variables whose values are always hidden.
CREDENTIALS = (
    "YC_IAM_TOKEN", "YC_TOKEN", "YC_STORAGE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip
OUR_WORDS = frozenset(map(str, (*Action, *Step, *ChangeKind)))


class Redactor:
    """Redacts text and values. It learns which values are secret regardless of form, and which words never are."""

    def __init__(self) -> None:
        # By their first characters, then by length, so that the cost depends on the text and not on the number of
        # values.
        self._known: dict[str, dict[int, set[str]]] = {}
        self._words = set(OUR_WORDS)
        self._longest = max(map(len, OUR_WORDS))  # of these words
        self._secrets: set[str] = set()
        # Redacted texts. Replaced as a whole by every change of rules: telemetry reads this in another thread, and a
        # result of the old rules must not be remembered for the new ones.
        self._seen: dict[str, str] = {}
        self.learned: Callable[[str], object] = lambda _: None  # called once with each secret value, unredacted

    def add(self, value: str) -> None:
        """Hide this value from now on, also in its form inside JSON, a repr or a URL. Short values are ignored."""
        if len(value) >= LEAST and value not in MARK and value not in self._secrets:
            self._secrets.add(value)
            self.learned(value)
        forms = {dumps(value)[1:-1], dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
        for form in forms | {value, quote(value, safe="", errors="replace")}:
            if len(form) >= LEAST and form not in MARK:
                # Never changed in place: another thread may be iterating over it.
                same = self._known.get(form[:LEAST], {})
                self._known[form[:LEAST]] = same | {len(form): same.get(len(form), set()) | {form}}
        self._seen = {}

    def add_variables(self, variables: Mapping[str, str]) -> None:
        """Hide the values of variables with secret names, and the passwords in URLs of all variables."""
        for name, value in variables.items():
            found = [value.strip()] if is_secret_variable(name) else []
            for secret in (*found, *_URL_PASSWORD.findall(value)):
                if is_worth_hiding(secret) or name in CREDENTIALS:
                    self.add(secret)

    def add_function(self, spec: FunctionSpec, *, labels: bool = True) -> None:
        """Hide the secret variables of a function, but no other words of its declaration. `labels`: label values are
        such words.
        """
        settings = spec.settings
        secrets = (word for one in settings.secrets for word in (one.environment_variable, one.key, one.id, one.name))
        ids = (spec.id, spec.folder_id, settings.service_account_id, settings.service_account)
        self.protect((spec.key, spec.name, settings.runtime, settings.entrypoint, *ids, *secrets))
        self.protect((*settings.tags, *spec.labels, *settings.environment))
        self.protect(spec.labels.values() if labels else ())
        self.protect((*spec.promote, spec.called_by))
        self.add_variables(settings.environment)
        self._add_verify(spec.verify)

    def _add_verify(self, verify: Verify | None) -> None:
        """Hide what a verification sends under secret names: functions return what they are sent."""
        if verify is None:
            return
        if verify.http is not None:
            self.add_variables(verify.http.headers)
            self.add_variables(verify.http.query)
            with suppress(ValueError):
                self._add_json(loads(verify.http.body or "null"))
        self._add_json(verify.payload)

    def _add_json(self, value: Any) -> None:
        if isinstance(value, Mapping):
            self.add_variables({name: item for name, item in value.items() if isinstance(item, str)})
            value = list(value.values())
        for item in value if isinstance(value, list | tuple) else ():
            self._add_json(item)

    def protect(self, words: Iterable[str | None]) -> None:
        """Never hide these words, and never take them for the name of a secret."""
        for word in words:
            if word:
                self._words.add(word)
                self._longest = max(self._longest, len(word))
        self._seen = {}

    def hides(self, text: str) -> bool:
        """Return whether a part of a text must not be shown."""
        return self.text(text) != text

    def text(self, text: str) -> str:
        """Redact a text. Repeating it changes nothing."""
        seen = self._seen
        found = seen.get(text)
        if found is None:
            found = self._redacted(text)
            if len(text) <= _SEEN_MAX_CHARACTERS:
                if len(seen) >= _SEEN_MAX:
                    seen.clear()
                seen[text] = found
        return found

    def _redacted(self, text: str) -> str:
        for _ in range(_PASSES):
            shown = hide(self._without_known(text) if self._known else text, self._is_kept)
            if shown == text:
                break
            text = shown  # after a removed secret, another one may become visible
        return text

    def value(self, value: Any) -> Any:
        """Redact a value of JSON's kinds, however nested. Anything else becomes its redacted text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(str(value))
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
        """Redact every text of an event except what resuming depends on."""
        found: _E = self._record(event)
        return found

    def _record(self, record: Any) -> Any:
        changed = {}
        for name in _text_fields(record.__class__):
            value = getattr(record, name)
            if isinstance(value, str) and not isinstance(value, Enum):
                shown: Any = self.text(value)
            elif isinstance(value, tuple):
                shown = tuple(self.text(item) if isinstance(item, str) else item for item in value)
            else:
                shown = self._record(value) if is_dataclass(value) else value
            if shown is not value and shown != value:
                changed[name] = shown
        return replace(record, **changed) if changed else record

    def _mapping(self, mapping: Mapping[Any, Any]) -> dict[Any, Any]:
        # {"name": "PASSWORD", "value": "…"}: here the name is a value itself
        named = "value" in mapping and any(
            isinstance(name := mapping.get(word), str) and is_secret_name(name)
            for word in ("name", "key", "environment_variable", "environmentVariable")
        )
        redacted = {}
        for key, value in mapping.items():
            is_text = isinstance(key, str)
            hide = (is_text and is_secret_name(key)) or (named and key == "value")
            shown = self._hidden(value) if hide else self.text(value) if type(value) is str else self.value(value)
            redacted[self.text(key) if is_text else key] = shown
        return redacted

    def _hidden(self, value: Any) -> Any:
        """Hide a value that has a secret's name. A structure there only describes a secret, so it keeps its shape."""
        if value is None or isinstance(value, bool) or value == "":
            return value
        if isinstance(value, Mapping):
            return self.value(value)
        if isinstance(value, list | tuple | set | frozenset):
            return [self._hidden(item) for item in value]
        return MARK

    def _without_known(self, text: str) -> str:
        parts, start, at, end = [], 0, 0, len(text) - LEAST
        if end < len(_BEGINNINGS) and self._known.keys().isdisjoint(map(text.__getitem__, _BEGINNINGS[: end + 1])):
            return text
        while at <= end:
            forms = self._known.get(text[at : at + LEAST])
            length = max((n for n, same in forms.items() if text[at : at + n] in same), default=0) if forms else 0
            if length and not self._is_other_word(text, at, at + length):
                parts += [text[start:at], MARK]
                start = at = at + length
            else:
                at += 1
        return "".join([*parts, text[start:]])

    def _is_other_word(self, text: str, start: int, end: int) -> bool:
        """Return whether an apparent known value is part of another word, or of one that is never hidden."""
        if self._is_kept(text, start, end):
            return True
        if not is_plain_word(text[start:end]):
            return False
        before = text[max(0, start - 2) : start][::-1]
        return bool(_GOES_ON.match(text, end) or _GOES_ON.match(before))

    def _is_kept(self, text: str, start: int, end: int) -> bool:
        """Return whether the surrounding word is never hidden."""
        if text[start:end] in self._words:
            return True
        while start > 0 and end - start <= self._longest and _WORD.match(text[start - 1]):
            start -= 1
        while end < len(text) and end - start <= self._longest and _WORD.match(text[end]):
            end += 1
        return text[start:end].strip(".") in self._words


@cache
def _text_fields(kind: type[Any]) -> tuple[str, ...]:
    """Return the fields of an event, or of a record in one, that may have external text."""
    return tuple(field.name for field in fields(kind) if field.name not in EXACT)
