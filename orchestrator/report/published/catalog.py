"""Every JSON document that is published: its kind and number, who writes it, and what may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_STABLE = "keys may be added"


@dataclass(frozen=True, slots=True)
class Published:
    """One kind of documents. `written_by`: commands, or what else writes it; `about`: what it says, a sentence."""

    number: int
    written_by: str
    about: str
    stability: str = _STABLE


CATALOG: Mapping[str, Published] = {
    "plan": Published(
        1,
        "`plan`; `deploy`, `run`, `resume`, `promote`, `rollback` with `--dry-run`",
        "What would be done to each function, and why.",
    ),
    "environments": Published(1, "`plan --env all`", "What would be done to each function in each environment."),
    "saved-plan": Published(
        1,
        "`plan --out FILE`; `show FILE`",
        "A saved plan: everything that `deploy --plan FILE` does.",
        "keys may be added; only this program can make such a file",
    ),
    "result": Published(
        1,
        "`deploy`, `run`, `resume`, `promote`, `rollback`, `prune`; `show`",
        "The result of a run, with all runs that it resumed, function by function.",
    ),
    "runs": Published(1, "`runs`", "All known runs, the newest first."),
    "report": Published(
        1,
        "`report --json`",
        "Where the time of a run went, step by step. Names that end in `_s` are seconds; `at_s`, `from_s`, `to_s` and "
        "others without a length count from `started_at`.",
    ),
    "why": Published(1, "`why`", "The live state of one function, who made it, and the next plan."),
    "render": Published(1, "`render`", "The settings of functions, and where each value comes from."),
    "package": Published(
        1, "`package`", "What the package of a function contains, or how it differs from the live one."
    ),
    "findings": Published(1, "`validate`", "Whether a manifest is valid, with every mistake."),
    "jobs": Published(1, "`jobs`", "The jobs of a manifest, and those that it can use."),
    "board": Published(1, "`run NAME --status`", "How far a job has come, function by function."),
    "prune": Published(1, "`prune --dry-run`", "Which old versions go, and why the others stay."),
    "init": Published(1, "`init`", "The first manifest that was written, and the functions in it."),
    "import": Published(1, "`import`", "A manifest of the live state."),
    "rewrite": Published(1, "`import --update`", "Changes that make a manifest match the live state."),
    "event": Published(
        1,
        "`--events FILE`: one object a line",
        "One thing that happened in a run.",
        "kinds of events and keys may be added; `schema` is the number alone",
    ),
    "notification": Published(1, "`[notify.NAME]`", "The result of a run, or why it waits."),
    "gate": Published(1, "`gate` of `[rollout]`: its command reads it", "The result of a wave."),
}
