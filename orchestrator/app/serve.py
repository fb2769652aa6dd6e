"""`sandbox`: the embedded cloud served alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.app.options import state_dir_of
from orchestrator.errors import Exit, UsageError
from orchestrator.manifest.units import duration
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
    )
    return Exit.DONE


def seconds(option: str, text: str) -> float:
    """Read a duration that was given as an option. Raises `UsageError`."""
    try:
        return duration(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}", advice='write "10s" or "1m30s"') from error
