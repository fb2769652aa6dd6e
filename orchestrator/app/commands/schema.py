"""`schema`: the JSON Schema of deploy.toml, of a file that it includes, or of a document that commands write."""

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
    """Give the JSON Schema of deploy.toml; `of` an "include": of an included file; else of that kind of documents.
    `listed`: the kinds that there are.
    """
    if listed:
        return CommandResult(Exit.DONE, DocumentView(catalog_text()))
    if of == INCLUDE:
        schema = included_schema(manifest_schema())
    else:
        schema = manifest_schema() if of == MANIFEST else published_schema(of)
    return CommandResult(Exit.DONE, DocumentView(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()))
