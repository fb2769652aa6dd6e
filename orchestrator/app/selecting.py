"""The parts of a selection that lie outside the manifest: files of names, and what a run before left undone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.app.options import RunOptions, address_of
from orchestrator.cloud.endpoints import clean_endpoint
from orchestrator.errors import UsageError
from orchestrator.journal.store import open_store
from orchestrator.model import Deployed, Manifest, Unchanged
from orchestrator.state import RunState, fold

SANDBOX = "sandbox"  # the endpoint of sandbox runs, as the journal remembers it


def expanded(patterns: Iterable[str]) -> tuple[str, ...]:
    """Put the names of a file in the place of `@FILE` (one a line, # comments); `@-` is standard input.

    Raises `UsageError`.
    """
    return tuple(name for pattern in patterns for name in (_of_file(pattern[1:]) if pattern[:1] == "@" else [pattern]))


def _of_file(name: str) -> Iterator[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"the list of functions {name} cannot be read: {why}", advice="check @FILE") from error
    found = [stripped for line in text.splitlines() if (stripped := line.partition("#")[0].strip())]
    if not found:
        raise UsageError(f"the list of functions {name} is empty", advice="write a name or a glob on each line")
    yield from found


def endpoint_of(options: RunOptions, manifest: Manifest) -> str:
    """Say how the journal remembers where these options lead to. Raises `StartError` for what is no URL."""
    return SANDBOX if options.sandbox else clean_endpoint(address_of(manifest, options.endpoint).endpoint)


def last_run(state_dir: Path, endpoint: str, *, verb: str = "") -> RunState | None:
    """Read the last run at this endpoint (of this verb); None where there was none. Raises `JournalError`."""
    with open_store(state_dir, read_only=True) as store:
        for run in store.runs():
            if run.endpoint == endpoint and verb in ("", run.verb):
                return fold(store.events(run.id))
    return None


def unsuccessful(run: RunState | None) -> tuple[str, ...]:
    """List what a run did not bring to a good end: failed, blocked, unknown, cancelled, or not come to.

    Raises `UsageError` where there is nothing of that kind.
    """
    if run is None:
        raise UsageError("there is no run yet whose failures could be selected", advice="leave --failed out")
    keys = tuple(key for key, unit in run.units.items() if not isinstance(unit.outcome, Deployed | Unchanged))
    if not keys:
        raise UsageError(f"nothing failed in the last run, {run.run_id}", advice="leave --failed out to deploy all")
    return keys
