"""`schema`: prints the JSON Schema of deploy.toml, of an included file, or of a document that commands write."""

from __future__ import annotations

import orjson

from orchestrator.errors import Exit
from orchestrator.job.binding import manifest_schema
from orchestrator.manifest.schema import included_schema
from orchestrator.report.published.schemas import catalog_text, published_schema
from orchestrator.report.views import CommandResult, DocumentView

MANIFEST = "manifest"
INCLUDE = "include"


def schema_command(of: str, *, listed: bool = False) -> CommandResult:
    """Return a JSON Schema. `of`: "manifest", "include" for an included file, or a kind of document. `listed`: return
    the list of kinds instead.
    """
    if listed:
        return CommandResult(Exit.DONE, DocumentView(catalog_text()))
    if of == INCLUDE:
        schema = included_schema(manifest_schema())
    else:
        schema = manifest_schema() if of == MANIFEST else published_schema(of)
    return CommandResult(Exit.DONE, DocumentView(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()))
