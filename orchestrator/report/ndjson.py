"""Every event as a line of JSON, for programs: the same dict form as in the journal, and a summary as the last line."""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any, BinaryIO

import orjson

from orchestrator.errors import StartError
from orchestrator.events import SCHEMA, Event, RunEnded, to_dict
from orchestrator.report.redact import Redactor
from orchestrator.report.summary import counts
from orchestrator.state import RunState


class EventFile:
    """A listener that writes to a file, made anew, or to stdout for "-".

    Each line has `schema` (raised when a field changes its meaning; fields and kinds may be added without), `run_id`
    and the event. Raises `StartError` where the file cannot be made, `OSError` on a line that cannot be written.
    """

    def __init__(self, target: str, run_id: str) -> None:
        self._run_id = run_id
        self._redactor = Redactor()
        self._lock = Lock()  # bytes_sent comes from the threads of uploads
        self._state = RunState()
        self._own = target != "-"
        try:
            self._file: BinaryIO = open(target, "wb") if self._own else sys.stdout.buffer  # noqa: PTH123, SIM115
        except OSError as error:
            raise StartError(
                f"the event file {target} cannot be written: {error.strerror}", advice="name another with --events"
            ) from error

    def __call__(self, event: Event) -> None:
        event = self._redactor.event(event)
        with self._lock:
            self._state.apply(event)
            self._write(to_dict(event))
            if isinstance(event, RunEnded):
                self._write(self._summary(event))
                self.close()

    def close(self) -> None:
        """Close the file. Stdout is left open; closing twice is harmless."""
        if self._own:
            self._file.close()
