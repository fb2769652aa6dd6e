"""The manifest that `init` has written: what is in it, and the next steps."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import Any

from orchestrator.report.explained.function_views import InitView
from orchestrator.report.plain_text import aligned, counted


def first_manifest_text(view: InitView, *, width: int | None) -> str:
    """Return the text for people."""
    rows = [(one.name, one.source, one.handler.runtime, one.handler.entrypoint) for one in view.functions]
    table = aligned(("function", "source", "runtime", "entrypoint"), rows, width=width)
    count = counted(len(view.functions), "function")
    written = f"wrote {view.config}: {count}; set memory, timeout, environment and secrets in it as needed"
    return "\n\n".join([written, table, aligned(("next", ""), list(_next(view)), width=None)])


def _next(view: InitView) -> Iterator[tuple[str, str]]:
    config = "" if view.config.name == str(view.config) == "deploy.toml" else f" -c {quote(str(view.config))}"
    if view.mistakes:
        yield f"orchestrator validate{config}", f"lists {counted(len(view.mistakes), 'mistake')} to fix"
    yield f"orchestrator deploy --sandbox{config}", "tries it on this machine, without an account"
    if not view.folder_id:
        yield "export YC_FOLDER_ID=…", f"or set `folder_id` in {view.config}"
    yield f"orchestrator plan{config}", "shows what would be done in the cloud"


def first_manifest_json(view: InitView) -> dict[str, Any]:
    """Return it as JSON values."""
    return {
        "file": str(view.config),
        "folder_id": view.folder_id or None,
        "bucket": view.bucket or None,
        "functions": [
            {
                "function": one.name,
                "source": one.source,
                "runtime": one.handler.runtime,
                "runtime_why": one.runtime_why or None,
                "entrypoint": one.handler.entrypoint,
                "build": one.handler.build or None,
                "files": dict(one.files),
                "exclude": list(one.exclude),
            }
            for one in view.functions
        ],
        "mistakes": list(view.mistakes),
    }
