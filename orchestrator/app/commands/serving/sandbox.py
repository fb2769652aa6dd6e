"""`sandbox`: serves the built-in cloud alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.app.session.options import SANDBOX_FOLDER, state_dir_of
from orchestrator.app.session.typed import seconds
from orchestrator.errors import Exit, UsageError
from orchestrator.journal.folder import make_state_dir
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult
from orchestrator.sandbox.http.calls_route import PREFIX
from orchestrator.sandbox.http.serve import run_server
from orchestrator.sandbox.http.server import HANDLERS_LOG, Options
from orchestrator.sandbox.memory.core import CloudSettings
from orchestrator.sandbox.memory.faults import STORM, Distribution, Faults
from orchestrator.sandbox.memory.quotas import Quotas

T = TypeVar("T")


def sandbox_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Serve until a signal, or until standard input closes if requested. Raises `UsageError`, `StartError`."""
    state_dir = state_dir_of(given["config"], given["state"])
    make_state_dir(state_dir)
    options = Options(
        port=given["port"],
        state_dir=state_dir / "sandbox",
        latency_s=seconds("--latency", given["latency"]),
        durations=_read("--durations", Distribution.parse, given["durations"]),
        faults=Faults() if given["faults"] is None else Faults(STORM, seed=given["faults"]),
        quotas=replace(Quotas(), **_read("--quota", Quotas.parse, given["quotas"])),
        settings=_settings(given),
        buckets=given["buckets"],
        record=given["record"],
        seed_files=given["seeds"],
    )
    by_a_person = not given["until_stdin_closes"]

    def announce(url: str) -> None:
        messages.announce(url)
        if by_a_person:
            messages.announce(_how_to_use(url, options))

    run_server(options, announce, until_stdin_closes=given["until_stdin_closes"])
    return CommandResult(Exit.DONE)


def _how_to_use(url: str, options: Options) -> str:
    """Return the lines that a user pastes into another terminal."""
    key_file = shlex.quote(str((options.state_dir or Path()).absolute() / "key.json"))
    printed = shlex.quote(str((options.state_dir or Path()).absolute() / HANDLERS_LOG))
    buckets = ", ".join(options.buckets) or "none (add one with --bucket NAME)"
    return (
        f"to deploy to it from another terminal:\n"
        f"  export YC_FOLDER_ID={SANDBOX_FOLDER} YC_SERVICE_ACCOUNT_KEY_FILE={key_file}\n"
        f"  orchestrator deploy --endpoint {url}\n"
        f"functions are invoked at {url}{PREFIX}/ID (`httpInvokeUrl`); their output: {printed}\n"
        f"buckets: {buckets}; press Ctrl-C to stop"
    )


def _settings(given: Mapping[str, Any]) -> CloudSettings:
    creating = given["creating"]
    share = creating.removesuffix("%") if creating.endswith("%") else ""
    if share and not (share.isdecimal() and int(share) <= 100):
        raise UsageError(f"--creating {creating}: must be a share such as 80%, hidden, visible, or a duration")
    delayed = creating not in ("hidden", "visible") and not share
    return CloudSettings(
        creating_visible=creating != "hidden",
        creating_after_s=seconds("--creating", creating) if delayed else 0.0,
        creating_share=int(share) / 100 if share else 1.0,
        quota_manager=not given["no_quota_manager"],
        quota_details=not given["no_quota_details"],
        quota_changes=_read("--quota-at", _changes, given["quota_changes"]),
        poll_interval_s=given["poll_interval"],
    )


def _changes(texts: Iterable[str]) -> tuple[tuple[float, Mapping[str, int]], ...]:
    found = []
    for text in texts:
        after, _, quota = text.partition(":")
        found.append((seconds("--quota-at", after), Quotas.parse([quota])))
    return tuple(found)


def _read(option: str, parse: Callable[[Any], T], value: Any) -> T:
    try:
        return parse(value)
    except ValueError as error:
        raise UsageError(str(error), advice=f"correct {option}") from error
