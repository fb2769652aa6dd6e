"""What commands that run for a while have in common: logs, signals, and how their errors are told."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import anyio

from orchestrator.app.session import output
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.signals import watching
from orchestrator.errors import InterruptedRunError, OrchestratorError
from orchestrator.report.redact import Redactor
from orchestrator.resilience.groups import ungrouped
from orchestrator.resilience.stop import Stop, StoppedError

Main = Callable[[RunOptions, AsyncExitStack, Stop, Redactor], Awaitable[int]]
# Values that may show up nowhere, whatever they look like.
_SECRETS = (
    "YC_IAM_TOKEN", "YC_TOKEN", "YC_STORAGE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip


def run(options: RunOptions, main: Main) -> int:
    """Run `main` to its exit code. Raises `OrchestratorError` where it cannot start; with JSON logs it is logged."""
    redactor = redactor_of(os.environ)
    output.configure_logs(options.log, redactor)

    async def watched() -> int:
        stop = Stop()
        async with watching(stop, output.say), AsyncExitStack() as stack:
            try:
                return await main(options, stack, stop, redactor)
            except StoppedError as error:
                raise InterruptedRunError(f"{error}: nothing was sent", advice="run the same command again") from None

    try:
        with ungrouped(OrchestratorError):
            return anyio.run(watched)
    except OrchestratorError as error:
        if options.log.format != "json":
            raise
        output.log_error(error)
        return error.exit


def redactor_of(environ: Mapping[str, str]) -> Redactor:
    """Make a redactor that knows the credentials of the environment."""
    redactor = Redactor()
    for name in _SECRETS:
        redactor.add(environ.get(name, "").strip())
    return redactor
