"""`schema`: the JSON Schema of deploy.toml."""

from __future__ import annotations

import orjson

from orchestrator.errors import Exit
from orchestrator.job.binding import manifest_schema
from orchestrator.report.views import CommandResult, DocumentView


def schema_command() -> CommandResult:
    """Give the JSON Schema of deploy.toml."""
    return CommandResult(Exit.DONE, DocumentView(orjson.dumps(manifest_schema(), option=orjson.OPT_INDENT_2).decode()))
