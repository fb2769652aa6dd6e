"""`sandbox`: the embedded cloud served alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.app.options import seconds, state_dir_of
from orchestrator.errors import Exit
from orchestrator.sandbox.serve import run_server


def sandbox_command(given: Mapping[str, Any], echo: Callable[[str], None]) -> int:
    """Serve until a signal, or the end of standard input, says otherwise."""
    state_dir = state_dir_of(given["config"], given["state"]) / "sandbox"
    run_server(
        port=given["port"],
        state_dir=state_dir,
        latency_s=seconds("--latency", given["latency"]),
        durations=given["durations"],
        faults_seed=given["faults"],
        buckets=given["buckets"],
        announce=echo,
        until_stdin_closes=given["until_stdin_closes"],
        record=given["record"],
    )
    return Exit.DONE
