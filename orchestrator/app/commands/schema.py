"""`schema`: the JSON Schema of deploy.toml, of a file that it includes, of what a gate is told, or of a report."""

from __future__ import annotations

import orjson

from orchestrator.engine.spreading.gate_facts import GateFacts
from orchestrator.errors import Exit
from orchestrator.job.binding import manifest_schema
from orchestrator.manifest.fields import schema_of
from orchestrator.manifest.schema import included_schema
from orchestrator.report.account.document import report_schema
from orchestrator.report.account.values import Account
from orchestrator.report.views import CommandResult, DocumentView

GATE = "gate"
INCLUDE = "include"
REPORT = "report"


def schema_command(of: str) -> CommandResult:
    """Give the JSON Schema of deploy.toml; `of` a gate: of its standard input; "include": of an included file;
    "report": of what `report --json` writes.
    """
    if of == REPORT:
        schema = report_schema(schema_of(Account))
    else:
        schema = schema_of(GateFacts) if of == GATE else manifest_schema()
    if of == INCLUDE:
        schema = included_schema(schema)
    return CommandResult(Exit.DONE, DocumentView(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()))
