"""The formats of `--output`. A new one is a module with a function `(view, width, outlet) -> text`, and a row here.

Keep the imports light: `--help` lists the formats, and imports none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.redaction.outlet import Outlet
    from orchestrator.redaction.safe import Safe

# Renders a `View` (see `views`) for a terminal of so many columns; None: there is no terminal. The result is safe.
Render = Callable[[Any, int | None, "Outlet"], "Safe"]


def _text() -> Render:
    from orchestrator.report.text import render_text  # noqa: PLC0415 - only when chosen

    return render_text


def _json() -> Render:
    from orchestrator.report.json import render_json  # noqa: PLC0415 - only when chosen

    return render_json


def _markdown() -> Render:
    from orchestrator.report.markdown.render import render_markdown  # noqa: PLC0415 - only when chosen

    return render_markdown


FORMATS: Mapping[str, Callable[[], Render]] = {"text": _text, "json": _json, "markdown": _markdown}
