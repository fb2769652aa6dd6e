"""`ports.Invocations` over a memory cloud: calls take virtual time and fail as over a network."""

from __future__ import annotations

import anyio

from orchestrator.errors import CloudError, Code
from orchestrator.model import InvokeAnswer, InvokeRequest
from orchestrator.sandbox.invocation.calls import HTTP, RAW, FunctionCall, Reply
from orchestrator.sandbox.invocation.service import INVOKE
from orchestrator.sandbox.memory.cloud import MemoryCloud


class MemoryInvocations:
    """Calls as `subject` ("": no token). `calls` counts them. Faults are those of the call "invoke"."""

    def __init__(self, cloud: MemoryCloud, *, latency_s: float = 0.05, subject: str | None = None) -> None:
        self.calls = 0
        self._cloud = cloud
        self._latency_s = latency_s
        self._subject = cloud.settings.subject if subject is None else subject

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        self.calls += 1
        began = anyio.current_time()
        reply: Reply | None = None
        with anyio.move_on_after(request.timeout_s):
            reply = await self._answered(request)
        if reply is None:
            raise CloudError(
                f"function {request.function_id} did not respond within {request.timeout_s:g} s",
                call=INVOKE,
                code=Code.DEADLINE_EXCEEDED,
            )
        headers = {name.lower(): value for name, value in reply.headers}
        return InvokeAnswer(reply.status, headers, reply.body, anyio.current_time() - began)

    async def _answered(self, request: InvokeRequest) -> Reply:
        await anyio.sleep(self._latency_s / 2)
        call = FunctionCall(
            request.function_id, request.tag, RAW if request.raw else HTTP, request.method,
            tuple(request.headers.items()), (*request.query.items(), ("tag", request.tag)), request.body, self._subject,
        )  # fmt: skip
        reply = await self._cloud.invocations.invoke(call)
        await anyio.sleep(self._latency_s / 2)
        if reply.lost:
            raise CloudError("the connection broke before the function answered", call=INVOKE, code=Code.UNAVAILABLE)
        return reply
