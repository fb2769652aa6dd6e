"""The output of handlers, as lines of JSON: the last lines in memory, and all in a file if there is one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from orchestrator.journal.folder import open_private

_KEPT = 1000  # lines in memory
_FILE_MAX_BYTES = 4 << 20  # then the file becomes the old one, replacing the one before


class HandlersLog:
    """A log of lines: `{time, function_id, version_id, request_id, stream, message}`."""

    def __init__(self, clock: Callable[[], float], path: Path | None = None) -> None:
        self.lines = deque[dict[str, Any]](maxlen=_KEPT)
        self.path = path
        self._clock = clock

    def add(self, stream: str, message: str, **ids: str) -> None:
        line = {"time": self._clock(), **ids, "stream": stream, "message": message}
        self.lines.append(line)
        if self.path is None:
            return
        if self.path.exists() and self.path.stat().st_size > _FILE_MAX_BYTES:
            self.path.replace(self.path.with_suffix(".old.ndjson"))
        with open(self.path, "ab", opener=open_private) as file:
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
