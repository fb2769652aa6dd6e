"""`why FUNCTION`: shows its live state, what the next plan does and why, what it waits for, and its last outcomes."""

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
    """Run `why`. Raises `UsageError` where the function is not known anywhere, `ManifestError` for a broken file."""
    given = dict(given)
    asked = given.pop("function")
    options = read_options("why", {**given, "functions": (asked,), "dry_run": True})
    return invoke(options, messages, partial(tell_why, asked))
