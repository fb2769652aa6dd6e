"""What `why` says about a run, and about who made a Version: equal parts share a line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.planning.why.facts import (
    Explanation,
    LiveFacts,
    MadeBy,
    Maker,
    PastOperation,
    PastRun,
    SentCall,
    Subject,
)
from orchestrator.report.explained.why_text import why_text

RUN = PastRun(
    "R1", "deploy", "done", "2026-11-27T03:00:00+00:00", "ann@ci", "c" * 40, "new version", "forced", "deployed"
)
HEAD = "last runs:\n  R1  2026-11-27 03:00:00 UTC  deploy by ann@ci, commit cccccccccccc: done\n"


def reported(run: PastRun) -> str:
    text = why_text(Explanation(Subject("auth", "auth", "b1g"), past=(run,)), width=None)
    assert HEAD in text
    return text.split(HEAD)[1].rstrip()


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        ({"version_id": "v"}, ["new version: forced", "deployed, version v"]),
        ({"outcome": "unchanged", "action": "unchanged", "reason": "as wanted", "version_id": "v"},
         ["unchanged, version v: as wanted"]),
        ({"outcome": "blocked", "action": "blocked", "reason": "edited", "why": "edited", "advice": "--adopt"},
         ["blocked: edited", "  advice: --adopt"]),
        ({"outcome": "blocked", "action": "blocked", "reason": "edited", "why": "gone"},
         ["blocked: edited", "blocked: gone"]),
        ({"outcome": "blocked", "why": "changed since"}, ["new version: forced", "blocked: changed since"]),
        ({"outcome": "failed", "why": "step create: no", "retries": 1},
         ["new version: forced", "failed, 1 retry: step create: no"]),
        ({"outcome": "", "sent": (SentCall("createVersion", "k", "2026-11-27T03:00:09+00:00", answered=False),)},
         ["new version: forced", "not ended", "createVersion was sent 2026-11-27 03:00:09 UTC: no response recorded"]),
        ({"outcome": "", "sent": (SentCall("createVersion", "k", "2026-11-27T03:00:09+00:00", answered=True),)},
         ["new version: forced", "not ended"]),
        ({"outcome": "pruned", "action": "prune", "reason": "1 of 2 versions go",
          "operations": (PastOperation("op", "deleteVersion", "done", "", "v1"),)},
         ["prune: 1 of 2 versions go", "pruned", "Operation op (deleteVersion of v1): done"]),
    ],
)  # fmt: skip
def test_what_became_of_it_in_a_run(facts: dict[str, object], lines: list[str]) -> None:
    assert reported(replace(RUN, **facts)).splitlines() == [f"    {line}" for line in lines]  # type: ignore[arg-type]


def test_what_a_rollback_has_done_is_rolled_back() -> None:
    text = why_text(Explanation(Subject("auth", "auth", "b1g"), past=(replace(RUN, verb="rollback"),)), width=None)
    assert text.splitlines()[-1] == "    rolled back"


@pytest.mark.parametrize(
    ("maker", "line"),
    [
        (Maker(MadeBy.RUN, run_id="R1", verb="deploy"), "made by run R1 (deploy)"),
        (Maker(MadeBy.RUN, run_id="R1", verb="deploy", operation_id="op", followed_by="R2"),
         "made by run R1 (deploy), Operation op, tracked to its end by run R2"),
        (Maker(MadeBy.TOOL), "made by this tool, in a run that is neither in the journal nor in the records"),
        (Maker(MadeBy.TOOL, run_id="R3"),
         "made by this tool, probably by run R3 of another machine, which holds its lease; no record shows it yet"),
        (Maker(MadeBy.HAND, how="edited by hand", run_id="R1"), "edited by hand, first made by run R1"),
    ],
)  # fmt: skip
def test_who_has_made_it(maker: Maker, line: str) -> None:
    now = LiveFacts(version_id="v", tags=("$latest",), made_by=maker)
    text = why_text(Explanation(Subject("auth", "auth", "b1g"), now=now), width=None)
    assert f"\n  {line}\n" in text


def test_what_there_is_none_of_stands_where_it_would() -> None:
    text = why_text(
        Explanation(Subject("auth", "auth", "b1g"), absent=("it is not live", "nobody declares it")), width=None
    )
    assert "\nlive state: it is not live\n  nobody declares it" in text
