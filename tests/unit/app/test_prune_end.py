"""Quotas before and after a prune: read again after Versions were deleted, and computed where they cannot be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.app.session.leftovers.storage import no_versions
from orchestrator.app.session.pruning import ending
from orchestrator.app.session.pruning.ending import PruneEnd
from orchestrator.errors import CloudError, Code, Exit
from orchestrator.journal.events import OperationAccepted, OperationDone, Requested, RunStarted, UnitPlanned
from orchestrator.journal.state import RunState, fold
from orchestrator.model import Action, Change, ChangeKind
from orchestrator.model.live_state import LiveState
from orchestrator.planning.prune.plan import PrunePlan, Usage, UsageAfter
from orchestrator.prediction.virtual_time import run
from orchestrator.report.prunes.prune_text import usage_json, usage_text
from orchestrator.resilience.stop import Stop

ONE, OTHER = Usage("b1c", "versions.count", 60.0, 100.0, 3), Usage("b2c", "versions.count", 7.0, 10.0, 1)


def deletions(folder: str, done: int) -> RunState:
    """Return a run that has deleted this many Versions in a folder."""
    changes = tuple(Change(ChangeKind.DELETE, {f"v{n}": ""}, {f"v{n}": None}) for n in range(3))
    planned = UnitPlanned(1.0, "f", "f", folder, "d4e", Action.PRUNE, "", "v9", "", changes=changes)
    asked = [Requested(2.0, "f", ChangeKind.DELETE, "d4e", f"k{n}", 1, n) for n in range(3)]
    taken = [OperationAccepted(3.0, "f", ChangeKind.DELETE, f"o{n}", "d4e", "", "", n) for n in range(3)]
    ended = [OperationDone(4.0, "f", f"o{n}", 1.0, "", n) for n in range(done)]
    return fold([RunStarted(0.0, "R", "prune", "e", "deploy.toml", 1, "0.1"), planned, *asked, *taken, *ended])


def ends(
    monkeypatch: pytest.MonkeyPatch, state: RunState, quotas: Callable[[str], Awaitable[object]]
) -> tuple[list[UsageAfter], list[str]]:
    """Return the usage after a prune of two clouds, and which clouds were queried."""
    asked = list[str]()

    async def reported(cloud_id: str) -> object:
        asked.append(cloud_id)
        return await quotas(cloud_id)

    async def read(call: Callable[[], Awaitable[Any]]) -> object:
        return await call()

    world = SimpleNamespace(read=read, directory=SimpleNamespace(quotas=reported))
    live = LiveState(clouds={"b1g": "b1c", "b2g": "b2c"})
    planned = replace(no_versions(), live=live, prune=PrunePlan((), usage=(ONE, OTHER)))
    monkeypatch.setattr(ending, "bucket_of", lambda _session: None)

    async def main() -> list[UsageAfter]:
        end = PruneEnd(cast("Any", SimpleNamespace(stop=Stop(), world=world)), planned, state)
        assert await end(Exit.DONE) is Exit.DONE
        return end.usage

    return run(main), asked


async def answers(_cloud_id: str) -> object:
    return [SimpleNamespace(id="versions.count", usage=41.0, limit=100.0)]


async def refuses(_cloud_id: str) -> object:
    raise CloudError("denied", call="quotas", code=Code.PERMISSION_DENIED)


def test_each_cloud_is_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = ends(monkeypatch, deletions("b1g", 3), answers)
    assert found == [UsageAfter(ONE, 41.0, read=True), UsageAfter(OTHER, 41.0, read=True)]
    assert asked == ["b1c", "b2c"]


def test_where_nobody_answers_it_is_computed_of_what_is_gone_in_that_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = ends(monkeypatch, deletions("b1g", 2), refuses)
    assert found == [UsageAfter(ONE, 58.0, read=False), UsageAfter(OTHER, 7.0, read=False)]


def test_where_nothing_is_gone_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends(monkeypatch, deletions("b1g", 0), answers) == ([], [])


def test_it_says_whether_it_was_read() -> None:
    both = (UsageAfter(ONE, 41.0, read=True), UsageAfter(OTHER, 6.0, read=False))
    assert usage_text(both).splitlines() == [
        "quota versions.count of cloud b1c: 60 of 100 before, 41 after, as read from the cloud",
        "quota versions.count of cloud b2c: 7 of 10 before, 6 after, computed: the cloud gives no number",
    ]
    assert [(one["usage"], one["usage_after"], one["read"]) for one in usage_json(both)] == [
        (60.0, 41.0, True),
        (7.0, 6.0, False),
    ]
