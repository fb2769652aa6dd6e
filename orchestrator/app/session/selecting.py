"""The parts of a selection that lie outside the manifest: what a run before left undone."""

from __future__ import annotations

from pathlib import Path

from orchestrator.app.session.options import RunOptions, address_of
from orchestrator.cloud.endpoints import clean_endpoint
from orchestrator.errors import UsageError
from orchestrator.journal.state import RunState, fold
from orchestrator.journal.store import open_store
from orchestrator.journal.unit_state import UnitState
from orchestrator.model import Deployed, Manifest, Unchanged

SANDBOX = "sandbox"  # the endpoint of sandbox runs, as the journal remembers it


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


def unsuccessful(run: RunState | None) -> dict[str, UnitState]:
    """Give what a run did not bring to a good end: failed, blocked, unknown, cancelled, or not come to.

    Raises `UsageError` where there is nothing of that kind.
    """
    if run is None:
        raise UsageError("there is no run yet whose failures could be selected", advice="leave --failed out")
    units = {key: unit for key, unit in run.units.items() if not isinstance(unit.outcome, Deployed | Unchanged)}
    if not units:
        raise UsageError(f"nothing failed in the last run, {run.run_id}", advice="leave --failed out to deploy all")
    return units
