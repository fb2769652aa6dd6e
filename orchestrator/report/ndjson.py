"""Every event as a line of JSON, for programs: the same dict form as in the journal, and a summary as the last line."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from orchestrator.errors import StartError
from orchestrator.journal.event_json import outcome_name, to_dict
from orchestrator.journal.events import SCHEMA, Event, RunEnded, RunStarted, UnitEnded
from orchestrator.report.redact import Redactor


class EventFile:
    """A listener that writes to a file, made anew, or to stdout for "-".

    Each line has `schema` (raised when a field changes its meaning; fields and kinds may be added without), `run_id`
    and the event. Raises `StartError` where the file cannot be made, `OSError` on a line that cannot be written.
    """

    def __init__(self, target: str, run_id: str, redactor: Redactor) -> None:
        self._run_id = run_id
        self._redactor = redactor
        self._outcomes: dict[str, str] = {}
        self._started: RunStarted | None = None
        self._own = target != "-"
        try:
            self._file: BinaryIO = Path(target).open("wb") if self._own else sys.stdout.buffer  # noqa: SIM115 - `close`
        except OSError as error:
            raise StartError(
                f"the event file {target} cannot be written: {error.strerror}", advice="name another with --events"
            ) from error

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, UnitEnded):
            self._outcomes[event.key] = outcome_name(event.outcome)
        self._write(to_dict(self._redactor.event(event)))
        if isinstance(event, RunEnded):
            self._write(self._summary(event))
            self.close()

    def close(self) -> None:
        """Close the file; stdout is left open. Closing twice is harmless."""
        if self._own:
            self._file.close()

    def _summary(self, ended: RunEnded) -> dict[str, Any]:
        started = self._started
        return {
            "kind": "summary",
            "at": ended.at,
            "exit_code": ended.exit_code,
            "reason": self._redactor.text(ended.reason),
            "functions": started.units if started is not None else len(self._outcomes),
            "seconds": round(ended.at - started.at, 3) if started is not None else None,
            "outcomes": dict(Counter(self._outcomes.values())),
        }

    def _write(self, data: dict[str, Any]) -> None:
        line = {"schema": SCHEMA, "run_id": self._run_id} | data | {"schema": SCHEMA}
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()  # a killed run leaves what has happened
