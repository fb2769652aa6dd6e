"""`why FUNCTION`: what it is, why the next plan changes it or not, what it waits for, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from orchestrator.app.session.invocation import invoke
from orchestrator.app.session.options import read_options
from orchestrator.app.session.why.explaining import tell_why
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult


def why_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `why` as typed. Raises `UsageError` where nobody knows the function, `ManifestError` for a broken file."""
    given = dict(given)
    asked = given.pop("function")
    options = read_options("why", {**given, "functions": (asked,), "dry_run": True})
    return invoke(options, messages, partial(tell_why, asked))
