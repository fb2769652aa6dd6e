"""Calls of Functions: who may call, which Version a tag leads to now, the zone's limits, and the answer
(cloud-api#invocation).
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import anyio
import orjson

from orchestrator.model import LATEST
from orchestrator.sandbox.invocation import http_events
from orchestrator.sandbox.invocation.calls import ASYNC, HTTP, RAW, FunctionCall, LateRouting, Pairs, Record, Reply
from orchestrator.sandbox.invocation.work import (
    ANSWER_MAX_BYTES,
    Invoker,
    NoInvoker,
    NotRunError,
    Outcome,
    Raised,
    Returned,
    Work,
    seeded_run,
)
from orchestrator.sandbox.memory.cloud_state import rfc3339
from orchestrator.sandbox.memory.core import Core
from orchestrator.sandbox.memory.faults import HTTP_STATUS, Fault
from orchestrator.sandbox.memory.own_services import is_open
from orchestrator.sandbox.memory.quotas import BusyError, Zone

INVOKE = "invoke"  # the name of a call for faults
INVOKER_ROLE = "serverless.functions.invoker"  # cloud-api#roles
_JSON = ("Content-Type", "application/json")
_FAILED = ("X-Function-Error", "true")
_BUSY = "No node can serve the request: Concurrent requests exceeded"  # cloud-api#invocation

Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


class _RefusedError(Exception):
    """A call that reaches no handler."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class InvocationService:
    """Answers calls. `invoker`: runs what no seed answers. `spawn`: runs in the background, if possible."""

    def __init__(self, core: Core) -> None:
        self.invoker: Invoker = NoInvoker()
        self.spawn: Spawn | None = None
        self._core = core
        self._zones: defaultdict[str, Zone] = defaultdict(Zone)

    async def invoke(self, call: FunctionCall) -> Reply:
        """Answer one call, whatever its result."""
        trouble = self._core.faults.trouble(INVOKE)
        await anyio.sleep(trouble.delay_s)
        request_id = str(uuid.UUID(int=self._core.rng.getrandbits(128), version=4))
        named: Pairs = (("X-Request-Id", request_id), ("X-Function-Id", call.function_id))
        try:
            function = self._function(call, trouble.refusal)
            version = self._version(call, function)
            named = (*named, ("X-Function-Version-Id", version["id"]))
            reply = await self._answer(call, function, version, request_id)
        except _RefusedError as refusal:
            body = {"errorCode": refusal.status, "errorMessage": str(refusal), "errorType": "ClientError"}
            reply = Reply(refusal.status, (_JSON,), orjson.dumps(body))
        return replace(reply, headers=(*named, *reply.headers), lost=trouble.lost)

    def _function(self, call: FunctionCall, refusal: Fault | None) -> Record:
        """Return a Function that the caller may invoke. `refusal`: a fault before anything is read."""
        if refusal is not None:
            raise _RefusedError(HTTP_STATUS[refusal.code], refusal.message)
        self._core.settle()
        function = self._core.state.functions.get(call.function_id)
        if function is None or function["status"] != "ACTIVE":
            raise _RefusedError(404, f"Function {call.function_id} not found")
        if is_open(self._core.state, function["id"]):
            return function
        if not call.subject:
            raise _RefusedError(401, call.refusal or "Authorization header with a token is required")
        if self._core.seeds.calls.is_denied(call.subject, function):
            raise _RefusedError(
                403, f"Permission denied: {call.subject} needs the role {INVOKER_ROLE} on function {function['id']}"
            )
        return function

    def _version(self, call: FunctionCall, function: Record) -> Record:
        version_id = self._routed(call.tag, function)
        version = self._core.state.versions.get(version_id) if version_id else None
        if version is None or version["status"] not in ("ACTIVE", "OBSOLETE"):
            raise _RefusedError(404, f"Version with tag {call.tag} of function {function['id']} not found")
        return version

    def _routed(self, tag: str, function: Record) -> str | None:
        """Return the Version that a tag leads to: the one that has it, or, if routing is late, the one that had it."""
        state = self._core.state
        version_id = (state.tags.get(function["id"]) or {}).get(tag)
        late = self._late(tag, function, version_id)
        if late is None:
            return version_id
        moved_after = rfc3339(self._core.clock() - late.late_s)
        records = (state.history.get(function["id"]) or {"records": []})["records"]
        former: str | None = None
        for record in records:
            if record["tag"] == tag and record["effectiveFrom"] <= moved_after:
                former = record["functionVersionId"] if record.get("effectiveTo", "Z") > moved_after else None
        if former == version_id or (former is None and tag == LATEST):
            return version_id
        return None if late.missing and tag != LATEST else former

    def _late(self, tag: str, function: Record, version_id: str | None) -> LateRouting | None:
        version = (self._core.state.versions.get(version_id) if version_id else None) or {}
        code = (self._core.state.codes.get(version_id) if version_id else None) or {}
        found = (late for late in self._core.seeds.calls.late if late.matching.fits(tag, function, version, code))
        return next(found, None)

    async def _answer(self, call: FunctionCall, function: Record, version: Record, request_id: str) -> Reply:
        if call.integration not in (HTTP, RAW, ASYNC):
            raise _RefusedError(400, f"integration must be raw or async, not {call.integration[:40]!r}")
        if len(call.body) > ANSWER_MAX_BYTES:
            raise _RefusedError(413, f"The request is larger than {ANSWER_MAX_BYTES} bytes")
        raw = call.integration != HTTP
        event = call.body if raw else http_events.http_event(call, request_id, self._core.clock())
        code = self._core.state.codes.get(version["id"]) or {}
        work = Work(request_id, function, version, code, event, raw)
        if call.integration == ASYNC:
            return self._later(call, work)
        return await self._now(call, work)

    async def _now(self, call: FunctionCall, work: Work) -> Reply:
        zone = self._zones[self._core.cloud_of(work.function["folderId"])]
        quotas, live_calls = self._core.active.quotas, self._core.seeds.calls.live_calls
        try:
            with zone.call(work.version["id"], int(work.version.get("concurrency") or 1), quotas, live_calls):
                return await self._run(call, work)
        except BusyError:
            raise _RefusedError(429, _BUSY) from None

    async def _run(self, call: FunctionCall, work: Work) -> Reply:
        seeded = self._core.seeds.calls.take(call.tag, work.function, work.version, work.code)
        outcome: Outcome | Reply | None = None
        try:
            run = seeded_run(seeded, work) if seeded is not None else await self.invoker.start(work)
        except NotRunError as error:
            raise _RefusedError(501, str(error)) from None
        with anyio.move_on_after(work.timeout_s):
            outcome = await run()
            if seeded is not None and seeded.handler is None:
                outcome = seeded.reply()
        if outcome is None:
            raise _RefusedError(504, f"The function did not finish within {work.timeout_s:g} s")
        return outcome if isinstance(outcome, Reply) else _shaped(outcome, raw=work.raw)

    def _later(self, call: FunctionCall, work: Work) -> Reply:
        config = work.version.get("asyncInvocationConfig")
        if config is None:
            raise _RefusedError(400, f"Version {work.version['id']} has no asyncInvocationConfig")
        if self.spawn is None:
            raise _RefusedError(501, "Nothing runs in the background here")
        tries = 1 + int(config.get("retriesCount") or 0)

        async def run() -> None:
            for _ in range(tries):
                try:
                    reply = await self._now(call, work)
                except _RefusedError:
                    continue
                if reply.status < 500:
                    return

        self.spawn(run)
        return Reply(202)


def _shaped(outcome: Outcome, *, raw: bool) -> Reply:
    """Return the answer for a handler's result."""
    if isinstance(outcome, Raised):
        return Reply(502, (_JSON, _FAILED), outcome.json())
    if len(outcome.body) > ANSWER_MAX_BYTES:
        too_large = Raised(f"The answer is larger than {ANSWER_MAX_BYTES} bytes", "ResponseTooLarge")
        return Reply(502, (_JSON, _FAILED), too_large.json())
    if raw:
        return Reply(200, (_JSON,), outcome.body)
    try:
        return http_events.http_reply(outcome.body)
    except http_events.MalformedError as error:
        return Reply(502, (_JSON, _FAILED), _malformed(outcome, str(error)))


def _malformed(outcome: Returned, why: str) -> bytes:
    payload = outcome.body[:1024].decode("utf-8", "replace")
    message = f"Invalid response of the function: {why}"
    return orjson.dumps({"errorMessage": message, "errorType": "ProxyIntegrationError", "payload": payload})
