"""A plain HTTP client of a sandbox that runs for the length of one program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import anyio

from orchestrator.sandbox.http.server import Options, Sandbox, open_sandbox
from orchestrator.sandbox.memory.faults import Distribution
from tests import idle_time, protobuf
from tests.clouds import FOLDER

QUICK = Distribution.parse("fixed:0.05")
FUNCTIONS = "/functions/v1/functions"
VERSIONS = "/functions/v1/versions"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    json: Any


@dataclass(frozen=True, slots=True)
class Caller:
    """A plain HTTP client with a valid token."""

    sandbox: Sandbox
    session: aiohttp.ClientSession
    token: str

    async def ask(self, method: str, path: str, json: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with self.session.request(method, self.sandbox.url + path, json=json, headers=sent) as response:
            content = await response.json() if response.content_type == "application/json" else await response.text()
            return Answer(response.status, response.headers, content)

    async def finished(self, operation: dict[str, Any]) -> dict[str, Any]:
        with anyio.fail_after(60):
            while not operation.get("done"):
                await anyio.sleep(0.02)
                operation = (await self.ask("GET", f"/operations/{operation['id']}")).json
                protobuf.parse_operation(operation)
        return operation

    async def function(self, name: str = "first") -> str:
        answer = await self.ask("POST", FUNCTIONS, {"folderId": FOLDER, "name": name})
        return str((await self.finished(answer.json))["metadata"]["functionId"])


def serve(program: Callable[[Caller], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with (
            open_sandbox(Options(**{"durations": QUICK, **options})) as sandbox,
            aiohttp.ClientSession() as session,
        ):
            await program(Caller(sandbox, session, sandbox.tokens.issue("ajetest")[0]))

    idle_time.run(main)
