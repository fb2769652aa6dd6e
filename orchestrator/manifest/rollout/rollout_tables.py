"""The tables of rollouts and of verification."""

from __future__ import annotations

from typing import Literal

from orchestrator.manifest import fields as f
from orchestrator.manifest.fields import StrictTable, a_key, list_key, needed_list
from orchestrator.manifest.rollout import rollout_fields as r


class HttpTable(StrictTable):
    """A call of a function over HTTP, and the response that it must give."""

    method: r.Method | None = a_key('The HTTP method. Default: "GET".')
    headers: r.Headers | None = a_key("Headers of the request. X-Orchestrator-Verify and the token are added.")
    query: dict[f.Text, str] | None = a_key("Query parameters.")
    body: r.Body | None = a_key("The body of the request, up to 3.5 MB.")
    expect_status: int | None = a_key("The required status of the response. Default: 200.", ge=200, le=599)
    expect_body: r.JsonValue | None = a_key(
        "A string that the response must contain; or a table or another value: JSON that it must include. Default: any."
    )


class VerifyTable(StrictTable):
    """How a new version is verified: by one of `payload`, `http` and `command`."""

    payload: r.JsonValue | None = a_key(
        "The version is called with this JSON, up to 3.5 MB, as its event. It must respond with 200 and without a"
        " function error."
    )
    expect: r.JsonValue | None = a_key("JSON that the response to `payload` must include. Default: any response.")
    http: HttpTable | None = a_key("The version is called over HTTP.")
    command: r.Command | None = list_key(
        "functions.verify.command",
        "A program and its arguments; exit code 0 passes. A path with / is relative to this file, others are in PATH.",
    )
    attempts: int | None = a_key("Attempts while the response is inconclusive. Default: 3.", ge=1, le=10)
    timeout: r.VerifyTimeout | None = a_key('Time limit of a response, up to 10m. Default: "30s".')
    safe: bool | None = a_key("true: the call is safe to repeat, for every function. Required in [defaults].")


class GateTable(StrictTable):
    """A command that decides about a wave."""

    command: r.Command = needed_list(
        "rollout.gate.command",
        "A program and its arguments, run in the folder of this file: exit code 0 passes, 75 is inconclusive, any other"
        " is a breach.",
    )
    timeout: r.GateTimeout | None = a_key('Time limit, up to 1h; exceeding it is a breach. Default: "5m".')


class RolloutTable(StrictTable):
    """How a run is rolled out."""

    canary: list[r.CanaryPattern] | None = list_key(
        "rollout.canary",
        "The first wave: names, globs, label:KEY=VALUE, among the functions that change. A failed canary is a breach.",
    )
    waves: f.Waves | None = list_key(
        "rollout.waves",
        "The end of each wave: a total number of functions, or a share of them, counted from the first one:"
        ' [1, "10%", "100%"]. The functions that are left form a last wave: ["50%"] is two waves.',
    )
    pause: r.Pause | None = a_key(
        'Pause between waves. More than 15m, or "approval", ends the run as paused, and `promote` continues it.'
    )
    max_failures: f.Share | None = a_key(
        'How many functions, or which share ("2%") of those up to the end of the current wave, may fail before the run'
        " stops. Not set: a wave with a failure is the last one."
    )
    on_breach: Literal["stop", "rollback", "pause"] | None = a_key(
        'What happens after a breach. Default: "stop". "rollback" needs `max_failures`.'
    )
    on_inconclusive: Literal["pause", "fail", "pass"] | None = a_key(
        'What happens after an inconclusive verification or gate. Default: "pause".'
    )
    two_phase: bool | None = a_key(
        "true: promoted tags move once all new versions are verified. Every function of the run needs `promote`."
    )
    gate: GateTable | None = a_key("A command that decides about each wave after its pause, also the last one.")
    pin: bool | None = a_key("true: a new version gets the tag orc-a or orc-b even without verification.")
    prune_after: bool | None = a_key(
        "true: after a run with exit code 0, delete old versions of its functions, as `prune` does."
    )
    verify_at_once: int | None = a_key("Maximum number of verifications at once. Default: 4.", ge=1, le=100)
