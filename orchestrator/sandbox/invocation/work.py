"""One call's work, who does it, and how it can end."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import orjson

from orchestrator.sandbox.invocation.calls import Record, SeededAnswer

ANSWER_MAX_BYTES = 3_670_016  # cloud-api#limits; also for requests
_TIMEOUT_S = 3.0  # for a version without one; what the official CLI sends (cloud-api#fields)
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Work:
    """One call of a handler. `event`: bytes as received, or the HTTP event in JSON."""

    request_id: str
    function: Record
    version: Record
    code: Record
    event: bytes
    raw: bool

    @property
    def timeout_s(self) -> float:
        """How long the handler may take."""
        return float(str(self.version.get("executionTimeout") or f"{_TIMEOUT_S}s").removesuffix("s"))

    @property
    def memory_bytes(self) -> int:
        """How much memory it may use."""
        return int(self.version["resources"]["memory"])

    def context(self) -> dict[str, Any]:
        """Return what handlers receive besides the event, named as in the docs of Python."""
        return {
            "function_name": self.function["id"],
            "function_version": self.version["id"],
            "function_folder_id": self.function["folderId"],
            "request_id": self.request_id,
            "memory_limit_in_mb": self.memory_bytes // _MEBIBYTE,
            "timeout_s": self.timeout_s,
        }


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler's result: JSON, or whatever a script wrote."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler's error, or the end of its process."""

    message: str
    type: str
    stack_trace: tuple[str, ...] = ()

    def json(self) -> bytes:
        """Return it as callers see it."""
        return orjson.dumps(
            {"errorMessage": self.message, "errorType": self.type, "stackTrace": list(self.stack_trace)}
        )


class NotRunError(Exception):
    """Nothing here can run this version. The text says what to do."""


Outcome = Returned | Raised
Run = Callable[[], Awaitable[Outcome]]


class Invoker(Protocol):
    """Runs handlers. Cancelling a run kills it."""

    async def start(self, work: Work) -> Run:
        """Prepare an instance. Its start does not count against the handler's time. Raises `NotRunError`."""
        ...


class NoInvoker:
    """Runs nothing: every answer must be seeded."""

    async def start(self, work: Work) -> Run:
        raise NotRunError(
            f"The sandbox does not run {work.version.get('runtime')}: seed an answer of function {work.function['id']}"
        )


def seeded_run(seeded: SeededAnswer, work: Work) -> Run:
    """Return a run of a handler that is a callable of this process, after its delay."""
    handler = seeded.handler

    async def run() -> Outcome:
        await anyio.sleep(seeded.delay_s)
        if handler is None:  # callers check this first
            return Returned(b"null")
        try:
            return Returned(orjson.dumps(handler(_event(work.event), work.context())))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its answer
            frames = traceback.format_tb(error.__traceback__)[1:]
            return Raised(str(error), type(error).__name__, tuple(frames))

    return run


def _event(event: bytes) -> Any:
    """Parse an event like Python's runtime: JSON, else text; bytes that are neither as Base64."""
    try:
        return orjson.loads(event)
    except orjson.JSONDecodeError:
        pass
    try:
        return event.decode()
    except UnicodeDecodeError:
        return base64.b64encode(event).decode()
