"""A manifest that `init` has made: what is in it, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.report.explained.function_views import InitView
from orchestrator.report.plain_text import aligned, counted


def first_manifest_text(view: InitView, *, width: int | None) -> str:
    """Write it for people."""
    rows = [(one.name, one.source, one.handler.runtime, one.handler.entrypoint) for one in view.functions]
    table = aligned(("function", "source", "runtime", "entrypoint"), rows, width=width)
    count = counted(len(view.functions), "function")
    written = f"{view.config} is written: {count}; memory, timeout, environment and secrets are yours to say"
    return "\n\n".join([written, table, aligned(("next", ""), list(_next(view)), width=None)])


def _next(view: InitView) -> Iterator[tuple[str, str]]:
    config = "" if view.config.name == str(view.config) == "deploy.toml" else f" -c {view.config}"
    if view.mistakes:
        yield f"orchestrator validate{config}", f"mend {counted(len(view.mistakes), 'mistake')} in it"
    yield f"orchestrator deploy --sandbox{config}", "tries it on this machine, without an account"
    if not view.folder_id:
        yield "export YC_FOLDER_ID=…", "or write the id of the folder into it"
    yield f"orchestrator plan{config}", "says what would be done in the cloud"


def first_manifest_json(view: InitView) -> dict[str, Any]:
    """Give it as JSON values."""
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
