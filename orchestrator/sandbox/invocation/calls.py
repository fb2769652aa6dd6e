"""A call of a Function, its answer, and what is seeded about calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestrator.model import LATEST

Pairs = tuple[tuple[str, str], ...]  # names and values as received, including repeated names
Record = Mapping[str, Any]
Handler = Callable[[Any, Mapping[str, Any]], Any]  # event, context → result; an exception is the handler's error

RAW = "raw"
ASYNC = "async"
HTTP = ""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A request to invoke. `subject`: of the token, "" if there is no valid one. `refusal`: why."""

    function_id: str
    tag: str = LATEST
    integration: str = HTTP
    method: str = "POST"
    headers: Pairs = ()
    query: Pairs = ()
    body: bytes = b""
    subject: str = ""
    refusal: str = ""
    source_ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP. `lost`: it never arrives."""

    status: int
    headers: Pairs = ()
    body: bytes = b""
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """Which calls a seed applies to: those that match every given field. `function`: ID or name. `sha256`: of the
    Version's package, in hex.
    """

    function: str = ""
    folder_id: str = ""
    tag: str = ""
    version_id: str = ""
    sha256: str = ""
    runtime: str = ""

    def fits(self, tag: str, function: Record, version: Record, code: Record) -> bool:
        """Return whether a call matches."""
        pairs = (
            (self.folder_id, function["folderId"]),
            (self.tag, tag),
            (self.version_id, version.get("id", "")),
            (self.sha256, code.get("sha256", "")),
            (self.runtime, version.get("runtime", "")),
        )
        named = self.function in ("", function["id"], function["name"])
        return named and all(expected in ("", found) for expected, found in pairs)


@dataclass(slots=True)
class SeededAnswer:
    """An answer instead of a handler's. `body`: text as it is, anything else as JSON, None: empty. `handler`: called
    instead, and its result is treated like any handler's. `times` None: always.
    """

    matching: Matching = field(default_factory=Matching)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay_s: float = 0.0
    times: int | None = None
    handler: Handler | None = None

    def reply(self) -> Reply:
        """Return it as an HTTP answer."""
        kind = "text/plain" if isinstance(self.body, str) else "application/json"
        names = {name.lower() for name in self.headers}
        typed = () if self.body is None or "content-type" in names else (("Content-Type", kind),)
        content = self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)
        return Reply(self.status, (*typed, *self.headers.items()), b"" if self.body is None else content)


@dataclass(frozen=True, slots=True)
class LateRouting:
    """For `late_s` after a tag moved, calls go to its former Version. `missing`: they are answered with 404. A tag
    without a former Version is answered with 404 anyway; `$latest` always goes to its former Version.
    """

    matching: Matching = field(default_factory=Matching)
    late_s: float = 0.0
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """A subject without the role to invoke. `function` "": any function."""

    subject: str
    function: str = ""


class CallSeeds:
    """What is seeded about calls. `live_calls`: calls of other users that are always running, and count against the
    zone's limits.
    """

    def __init__(self) -> None:
        self.answers: list[SeededAnswer] = []
        self.denied: set[Denied] = set()
        self.late: list[LateRouting] = []
        self.live_calls = 0

    def handle(self, handler: Handler, *, delay_s: float = 0.0, times: int | None = None, **matching: str) -> None:
        """Make a callable the handler of the Versions that match. It takes `delay_s`."""
        self.answers.append(SeededAnswer(Matching(**matching), handler=handler, delay_s=delay_s, times=times))

    def answer(
        self,
        status: int = 200,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        times: int | None = None,
        **matching: str,
    ) -> None:
        """Set the response to calls that match."""
        self.answers.append(SeededAnswer(Matching(**matching), status, headers or {}, body, delay_s, times))

    def take(self, tag: str, function: Record, version: Record, code: Record) -> SeededAnswer | None:
        """Return the first answer for a call, and count it."""
        for seeded in self.answers:
            if seeded.times != 0 and seeded.matching.fits(tag, function, version, code):
                seeded.times = seeded.times - 1 if seeded.times is not None else None
                return seeded
        return None

    def is_denied(self, subject: str, function: Record) -> bool:
        """Return whether a subject may not invoke a Function."""
        names = ("", function["id"], function["name"])
        return any(Denied(subject, name) in self.denied for name in names)
