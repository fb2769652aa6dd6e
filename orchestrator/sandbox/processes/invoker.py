"""Runs handlers in separate processes, from the packages that were uploaded."""

from __future__ import annotations

import base64
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import orjson
from anyio.abc import TaskGroup

from orchestrator.sandbox.invocation.work import ANSWER_MAX_BYTES, NotRunError, Outcome, Raised, Returned, Run, Work
from orchestrator.sandbox.processes.child import Child, Lines, TooLongError, read_at_most
from orchestrator.sandbox.processes.handlers_log import HandlersLog
from orchestrator.sandbox.processes.languages import environ_of, language_of, tied
from orchestrator.sandbox.processes.packages import KeptPackages, Unpacked

START_LIMIT_S = 20.0  # for an interpreter with the handler's module
WARM_MAX = 10  # processes that wait for another call
_LINE_MAX_BYTES = 2 * ANSWER_MAX_BYTES  # an answer in Base64, or an error
_TOO_LARGE = Raised(f"The answer is larger than {ANSWER_MAX_BYTES} bytes", "ResponseTooLarge")

IssueToken = Callable[[str], Mapping[str, Any]]


class _Warm:
    """A process that serves one call after the other."""

    def __init__(self, child: Child, answers: Lines) -> None:
        self.child = child
        self._answers = answers

    async def ask(self, request: bytes) -> dict[str, Any] | None:
        """Send a request, and wait for the answer; None if the process ends without one."""
        stdin = self.child.process.stdin
        if stdin is not None and request:
            try:
                await stdin.send(request + b"\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                return None
        line = await self._answers.next()
        try:
            found: dict[str, Any] | None = orjson.loads(line) if line is not None else None
        except orjson.JSONDecodeError:  # a handler that writes to the wrong pipe
            return None
        return found

    def close(self) -> None:
        self._answers.close()


class ProcessInvoker:
    """`Invoker` with processes. `token`: issues what a handler gets for its service account."""

    def __init__(
        self, tasks: TaskGroup, folder: Path, packages: KeptPackages, log: HandlersLog, token: IssueToken
    ) -> None:
        self.log = log
        self._tasks = tasks
        self._folder = folder
        self._unpacked = Unpacked(packages, folder, lambda: set(self._children.values()))
        self._token = token
        self._idle = defaultdict[str, list[_Warm]](list)
        self._children = dict[Child, str]()  # all that run → version ID

    def spawn(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something in the background, until the sandbox stops."""
        self._tasks.start_soon(act)

    async def start(self, work: Work) -> Run:
        language = language_of(work.version["runtime"])
        folder = await self._unpacked.of(work.version["id"], work.code.get("sha256", ""))
        if not language.warm:
            return lambda: self._once(work, language.command(work, -1), folder)
        while self._idle[work.version["id"]]:
            warm = self._idle[work.version["id"]].pop()
            if warm.child.runs:
                warm.child.thaw()
                return lambda: self._asked(warm, work)
            warm.close()
        return await self._fresh(work, folder, language.command)

    async def _fresh(self, work: Work, folder: Path, command: Callable[[Work, int], list[str]]) -> Run:
        """Start a process and wait until it has loaded the handler."""
        self._make_room()
        reading, writing = os.pipe()
        answers = Lines(reading, _LINE_MAX_BYTES)
        try:
            child = await self._child(work, command(work, writing), folder, (writing,))
        except BaseException:
            answers.close()
            raise
        finally:
            os.close(writing)
        warm, said = _Warm(child, answers), dict[str, Any]()
        try:
            with anyio.move_on_after(START_LIMIT_S):
                said = await warm.ask(b"") or {}
        except BaseException:
            self._end(warm)
            raise
        if "ready" in said:
            return lambda: self._asked(warm, work)
        failed = _raised(said) or Raised("The process ended before the handler was loaded", "InitError")
        self._end(warm)

        async def run() -> Outcome:
            return failed

        return run

    async def _asked(self, warm: _Warm, work: Work) -> Outcome:
        warm.child.serves(_ids(work))
        said: dict[str, Any] | None = None
        try:
            said = await warm.ask(self._request(work))
        except TooLongError:
            return _TOO_LARGE
        finally:
            if said is None:
                self._end(warm)
        if said is None:
            return await _died(warm.child)
        if "result" not in said:
            self._put_back(warm, work, ends=bool(said.get("ends")))
            return _raised(said) or Raised("The handler's process sent an invalid answer", "ProcessError")
        self._put_back(warm, work)
        return Returned(base64.b64decode(said["result"]))

    def _request(self, work: Work) -> bytes:
        account = work.version.get("serviceAccountId")
        context = {**work.context(), "token": self._token(account) if account else None}
        return orjson.dumps({"event": base64.b64encode(work.event).decode(), "context": context})

    def _put_back(self, warm: _Warm, work: Work, *, ends: bool = False) -> None:
        if warm.child.runs and not ends:
            if tied():  # otherwise a suspended process would outlive a killed sandbox
                warm.child.freeze()
            self._idle[work.version["id"]].append(warm)
        else:
            self._end(warm)

    async def _once(self, work: Work, command: list[str], folder: Path) -> Outcome:
        """Run a script: the event is its standard input, and its output is the result."""
        child = await self._child(work, command, folder, ())
        found: list[bytes | None] = []

        async def feed() -> None:
            if child.process.stdin is not None:
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                    await child.process.stdin.send(work.event)
                with suppress(OSError, anyio.BrokenResourceError):
                    await child.process.stdin.aclose()

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(feed)
                if child.process.stdout is not None:
                    found.append(await read_at_most(child.process.stdout, ANSWER_MAX_BYTES))
                if found and found[0] is None:
                    child.kill()
                    return _TOO_LARGE
                status = await child.ended()
        finally:
            child.kill()
        if status:
            return Raised(f"The script ended with {_how(status)}", "ScriptError")
        return Returned(found[0] or b"")

    async def _child(self, work: Work, command: list[str], folder: Path, fds: tuple[int, ...]) -> Child:
        temporary = self._folder / f"tmp-{work.version['id']}"
        temporary.mkdir(mode=0o700, exist_ok=True)
        environ = environ_of(work, temporary)
        try:
            child = await Child.start(
                [*tied(), *command], folder=folder, environ=environ, log=self.log, ids=_ids(work), pass_fds=fds
            )
        except OSError as error:
            raise NotRunError(f"The sandbox cannot start {work.version['runtime']}: {error.strerror}") from None
        self._children[child] = work.version["id"]
        self._tasks.start_soon(self._attend, child, bool(fds))
        return child

    async def _attend(self, child: Child, warm: bool) -> None:
        """Read a process's output, and wait for its end."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(child.log_stream, "stderr", child.process.stderr)
                if warm:
                    tasks.start_soon(child.log_stream, "stdout", child.process.stdout)
                await child.ended()
        finally:
            child.kill()
            with anyio.CancelScope(shield=True):
                await child.ended()
            child.bury()
            del self._children[child]

    def _make_room(self) -> None:
        """End the process that has waited longest if too many wait."""
        if sum(len(waiting) for waiting in self._idle.values()) >= WARM_MAX:
            version_id = next(version_id for version_id, waiting in self._idle.items() if waiting)
            self._end(self._idle[version_id].pop(0))
        for version_id in [version_id for version_id, waiting in self._idle.items() if not waiting]:
            del self._idle[version_id]

    def _end(self, warm: _Warm) -> None:
        warm.child.kill()
        warm.close()

    def end_all(self) -> None:
        """Kill all waiting and running processes."""
        for waiting in self._idle.values():
            for warm in waiting:
                warm.close()
        self._idle.clear()
        for child in self._children:
            child.kill()


@asynccontextmanager
async def invoking(
    folder: Path, packages: KeptPackages, log: HandlersLog, token: IssueToken
) -> AsyncIterator[ProcessInvoker]:
    """Yield an invoker until the block ends; no process outlives it. Unpacked code goes into `folder`."""
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        invoker = ProcessInvoker(tasks, folder, packages, log, token)
        try:
            yield invoker
        except Exception as error:  # noqa: BLE001 - raised again below, not as a group of one
            raised = error
        finally:
            invoker.end_all()
            tasks.cancel_scope.cancel()
    if raised is not None:
        raise raised


def _ids(work: Work) -> dict[str, str]:
    return {
        "function_id": work.function["id"], "version_id": work.version["id"], "request_id": work.request_id,
    }  # fmt: skip


def _raised(said: Mapping[str, Any]) -> Raised | None:
    error = said.get("error")
    if not isinstance(error, dict):
        return None
    stack = error.get("stack")
    frames = tuple(str(frame) for frame in stack) if isinstance(stack, list) else ()
    return Raised(str(error.get("message", "")), str(error.get("type", "")), frames)


async def _died(child: Child) -> Outcome:
    with anyio.CancelScope(shield=True):
        status = await child.ended()
    return Raised(f"The handler's process ended with {_how(status)} before it answered", "ProcessExited")


def _how(status: int) -> str:
    return f"exit code {status}" if status >= 0 else f"signal {-status}"
