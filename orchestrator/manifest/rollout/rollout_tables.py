"""The tables of how a run spreads, and of how a new Version is verified."""

from __future__ import annotations

from typing import Literal

from orchestrator.manifest import fields as f
from orchestrator.manifest.fields import StrictTable, a_key, list_key, needed_list
from orchestrator.manifest.rollout import rollout_fields as r


class HttpTable(StrictTable):
    """A call of a function as its users make it, and the answer that it must give."""

    method: r.Method | None = a_key('Default: "GET".')
    headers: r.Headers | None = a_key("Headers of the request; X-Orchestrator-Verify and the token come with it.")
    query: dict[f.Text, str] | None = a_key("Parameters of the address.")
    body: r.Body | None = a_key("The body, as it is sent; up to 3.5 MB.")
    expect_status: int | None = a_key("The status that the answer must have. Default: 200.", ge=200, le=599)
    expect_body: r.JsonValue | None = a_key(
        "A text that the answer must contain; or a table or another value: JSON that has at least this. Default: any."
    )


class VerifyTable(StrictTable):
    """How a new version is verified: by one of `payload`, `http` and `command`."""

    payload: r.JsonValue | None = a_key(
        "The version is called with this JSON as its event; it must answer 200 without an error of the function's."
    )
    expect: r.JsonValue | None = a_key("JSON that the answer to `payload` must have at least. Default: any answer.")
    http: HttpTable | None = a_key("The version is called over HTTP.")
    command: r.Command | None = list_key(
        "functions.verify.command",
        "A program and its arguments; exit code 0 passes. A path with / is relative to this file, others are in PATH.",
    )
    attempts: int | None = a_key("How often it is tried where the answer tells nothing. Default: 3.", ge=1, le=10)
    timeout: r.VerifyTimeout | None = a_key('How long an answer may take, up to 10m. Default: "30s".')
    safe: bool | None = a_key(
        "true: it may be called as often as one likes, in every function; [defaults] verifies only with this."
    )


class GateTable(StrictTable):
    """A command that judges a wave."""

    command: r.Command = needed_list(
        "rollout.gate.command",
        "A program and its arguments, run in the folder of this file: exit code 0 passes, 75 is inconclusive, any other"
        " is a breach.",
    )
    timeout: r.GateTimeout | None = a_key('How long it may take, up to 1h; longer is a breach. Default: "5m".')


class RolloutTable(StrictTable):
    """How a run spreads."""

    canary: list[r.CanaryPattern] | None = list_key(
        "rollout.canary", "The first wave: names, globs, label:KEY=VALUE, among what changes. One that fails breaches."
    )
    waves: f.Waves | None = list_key(
        "rollout.waves",
        "After how many functions each wave ends, or after which share of them, counted from the first one:"
        ' [1, "10%", "100%"]. A last wave takes what these leave over: ["50%"] is two waves.',
    )
    pause: r.Pause | None = a_key(
        'Pause between waves; over 15m, or "approval", ends the run as paused, and `promote` goes on with it.'
    )
    max_failures: f.Share | None = a_key(
        'How many functions, or which share ("2%") of those up to the running wave\'s end, may fail before the run'
        " stops. Not declared: a wave with a failure is the last one."
    )
    on_breach: Literal["stop", "rollback", "pause"] | None = a_key(
        'What happens then. Default: "stop". "rollback" needs a declared `max_failures`.'
    )
    on_inconclusive: Literal["pause", "fail", "pass"] | None = a_key(
        'What happens after a verification, or a gate, that tells nothing. Default: "pause".'
    )
    two_phase: bool | None = a_key(
        "true: promoted tags move once all new versions are verified; every function of the run needs `promote`."
    )
    gate: GateTable | None = a_key("A command that judges each wave after its pause, the last one too.")
    pin: bool | None = a_key("true: a new version takes the tag orc-a or orc-b even where nothing is verified.")
    prune_after: bool | None = a_key(
        "true: after a run that ended with exit 0, old versions of its functions are deleted, as `prune` does it."
    )
    verify_at_once: int | None = a_key("How many verifications run at once. Default: 4.", ge=1, le=100)
