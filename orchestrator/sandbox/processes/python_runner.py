"""Runs a Python handler in a separate process that is started by path: it needs only the standard library.

Requests arrive as lines of JSON on standard input. Answers are lines of JSON on the file descriptor in the command
line: first `{"ready": true}` or `{"error": …}`, then `{"result": base64}` or `{"error": …}` for each request. `"ends":
true` with an error means that no other call is served. The handler's own output goes to the process's output.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def answer_requests(fd: int, entrypoint: str) -> None:
    """Serve until standard input ends."""
    requests = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    answers = os.fdopen(fd, "wb")

    def send(answer: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()

    module, _, name = entrypoint.rpartition(".")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - few imports make a quick start
    try:
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    except BaseException as error:  # noqa: BLE001 - a module may exit, too
        send(_error(error))
        return
    send({"ready": True})
    for line in requests:
        request = json.loads(line)
        try:
            result = _call(handler, _event(base64.b64decode(request["event"])), _context(request["context"]))
            send({"result": base64.b64encode(result).decode()})
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its answer
            ends = isinstance(error, SystemExit | KeyboardInterrupt | MemoryError)
            send({**_error(error), "ends": ends})
            if ends:
                return


def _call(handler: Callable[[Any, Any], Any], event: Any, context: Any) -> bytes:
    result = handler(event, context)
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    return result if isinstance(result, bytes) else json.dumps(result, ensure_ascii=False).encode()


def _event(raw: bytes) -> Any:
    """Parse an event: JSON, else text; bytes that are neither as Base64."""
    try:
        return json.loads(raw)
    except ValueError:
        pass
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()


def _context(fields: dict[str, Any]) -> SimpleNamespace:
    """Return what the docs call the invocation context."""
    ends_at = time.monotonic() + fields.pop("timeout_s")
    left_ms = lambda: max(0, round((ends_at - time.monotonic()) * 1000))  # noqa: E731
    return SimpleNamespace(**fields, get_remaining_time_in_millis=left_ms)


def _error(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    stack = traceback.format_list(theirs)
    return {"error": {"message": str(error), "type": type(error).__name__, "stack": stack}}


if __name__ == "__main__":
    answer_requests(int(sys.argv[1]), sys.argv[2])
