"""`schema`: the JSON Schema of deploy.toml, or of what a gate is told."""

from __future__ import annotations

from typing import Any

import orjson

from orchestrator.engine.spreading.gate_facts import GateFacts
from orchestrator.errors import Exit
from orchestrator.job.binding import manifest_schema
from orchestrator.manifest.fields import schema_of
from orchestrator.report.views import CommandResult, DocumentView

GATE = "gate"


def schema_command(of: str) -> CommandResult:
    """Give the JSON Schema of deploy.toml; `of` a gate: of its standard input."""
    schema: dict[str, Any] = schema_of(GateFacts) if of == GATE else manifest_schema()
    return CommandResult(Exit.DONE, DocumentView(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()))
