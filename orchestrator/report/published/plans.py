"""The schemas of plans: "plan", "environments"."""

from __future__ import annotations

from orchestrator.model import Bound, Prediction
from orchestrator.report.environments import ABSENT
from orchestrator.report.published.common import (
    ACTION,
    EXIT_CODE,
    FILES,
    LIMIT,
    STEP,
    UNDECLARED,
    UNIT_FACTS,
    WAY_BACK,
)
from orchestrator.report.published.shape import (
    COUNT,
    NUMBER,
    TEXT,
    TEXTS,
    TRUE,
    among,
    just,
    keyed,
    keys,
    keys_from,
    or_null,
    several,
)
from orchestrator.report.unit_words import FAILED

COUNTS = keyed(COUNT, ACTION)
_WAVE = keys(
    "wave",
    "One wave.",
    {
        "wave": ({"type": "integer", "minimum": 1}, "its number, from 1; a resumed run begins with the next one"),
        "functions": (TEXTS, "keys of its functions"),
        "canary?": (TRUE, "it is the canary wave"),
    },
)
WAVES = (several(_WAVE), "the waves in their order; a function without changes is in none of them")
STOPS = (TEXT, 'when the run stops by itself, a sentence; "" for never')
WARNINGS = (TEXTS, "what may fail, sentences")
_UNIT = keys(
    "planned function",
    "What is done to one function, and why.",
    {
        **UNIT_FACTS,
        "action": (ACTION, "what is done to it"),
        "reason": (TEXT, "the reason, in words"),
        "function_id": (or_null(TEXT), "its ID, null if it is not live yet"),
        "base_version_id": (or_null(TEXT), "the version that is `$latest` now, null for none"),
        "advice": (TEXT, 'of a blocked or failed one: what to do; "" for nothing'),
        "failed_step": (or_null(STEP), "the step that failed, if the package could not be made; otherwise null"),
        "detail": (TEXT, "more lines on that: a build's output"),
        "warnings": (TEXTS, "sentences about its package"),
        "way_back": (or_null(WAY_BACK), "how it could be rolled back; null if nothing changes, or nothing is known"),
        "left_out": (TEXTS, "paths that rules leave out of the package"),
        "files?": (FILES, "how its package differs from the live one, where both are known"),
        "opens?": (TRUE, "anyone can call it from then on"),
        "then?": (TEXT, "what follows once its version is there: verified, promoted"),
        "left_alone?": (TEXT, "what a rollback leaves alone, and why"),
    },
)
_BOUND = keys_from(
    Bound,
    "What limits the speed of the run.",
    {
        "what": "folder ID, cloud ID, requests per second, verifications at once, or the longest",
        "limit": "how many at once, or per second",
        "seconds": "how long it takes because of that alone",
    },
)
_SIMULATION = keys_from(
    Prediction,
    "How long it would take.",
    {
        "functions": "for how many functions something is done",
        "seconds": "how long, pauses included; without approvals and gates",
        "p90_s": "the same, not exceeded in 9 of 10 runs",
        "busy": "Operations at once, on average",
        "bound": "what bounds it, null for nothing",
        "raised": "a higher limit, and the seconds that it would take then; null if no limit bounds it",
        "learned": "based on measured durations; otherwise a guess",
        "waves": "how many waves",
        "paused_s": "seconds of pauses between waves",
        "approvals": "how often it waits for an approval",
        "gates": "how often the gate runs",
        "gates_most_s": "the maximum time of all of them together",
        "verified": "functions that are verified",
        "verify_each_s": "how long that takes, each, on average",
        "verify_learned": "based on measured verifications; otherwise a guess",
        "rollback_s": "how long rolling back everything would take, null if nothing can be rolled back",
    },
    {"bound": or_null(_BOUND)},
    title="simulation",
)
_GATE = keys(
    "gate",
    "The command that decides about each wave.",
    {"command": (TEXTS, "the command and its arguments"), "timeout_s": (NUMBER, "how long it may take, in seconds")},
)
PLAN = keys(
    "plan",
    "",
    {
        "environment?": (TEXT, "the environment of the manifest, where one is chosen"),
        "units": (several(_UNIT), "the functions, in the order in which they start"),
        "counts": (COUNTS, "functions by action; actions without functions are missing"),
        "waves": WAVES,
        "max_failures": (LIMIT, "how many functions may fail: a count, a share such as 5%, or null for any"),
        "pause_s": (NUMBER, "seconds between two waves"),
        "stops": STOPS,
        "no_canary?": (TEXT, "why there is no canary wave, though one is declared"),
        "approval?": (TRUE, "someone must promote it after each wave"),
        "ends_paused?": (TRUE, "it ends as paused (exit 3) after each wave but the last"),
        "gate?": (_GATE, "the command that decides about each wave"),
        "on_breach?": (among("rollback", "pause"), "what follows a breach, if that is not a stop"),
        "two_phase?": (TRUE, "all versions first, then the promoted tags"),
        "waves_of?": (just("tag moves"), "what the waves are made of, with two_phase"),
        "notes?": (TEXTS, "notes about two_phase"),
        "undeclared": (UNDECLARED, "live functions that the manifest does not have, by folder"),
        "disabled": (COUNT, "functions that the manifest disables, and so are not among `units`"),
        "warnings": WARNINGS,
        "skips?": (several(just("verification")), "what is skipped on request"),
        "simulation?": (_SIMULATION, "with --simulate: how long it would take"),
    },
)
_ONE = keys(
    "environment",
    "The plan of one environment.",
    {
        "environment": (TEXT, "its name"),
        "exit_code": (EXIT_CODE, "the exit code of a plan of this environment alone"),
        "folders": (TEXTS, "IDs of the folders of its functions"),
        "counts": (or_null(COUNTS), "functions by action; null if it could not be planned"),
        "error": (TEXT, 'why it could not be planned, "" if it was'),
        "mistakes": (TEXTS, "mistakes of the manifest, FILE:LINE first"),
    },
)
_CELL = keys(
    "in one environment",
    "What is done to a function in one environment.",
    {
        "action": (
            {"type": "string", "enum": [*ACTION["enum"], FAILED, ABSENT]},
            f"what is done to it; {FAILED}: its package cannot be made; {ABSENT}: not there, disabled or not selected",
        ),
        "reason?": (TEXT, "the reason, in words"),
        "name?": (TEXT, "its name in the cloud"),
        "folder_id?": (TEXT, "the folder that it is in"),
        "function_id?": (or_null(TEXT), "its ID, null if it is not live yet"),
    },
)
ENVIRONMENTS = keys(
    "environments",
    "",
    {
        "environments": (several(_ONE), "the environments, in the order of the manifest"),
        "functions": (
            several(
                keys(
                    "function of environments",
                    "One function.",
                    {
                        "function": (TEXT, "its key in the manifest"),
                        "actions": (keyed(or_null(_CELL)), "by environment; null if that could not be planned"),
                    },
                )
            ),
            "every function, by its key",
        ),
    },
)
