"""The account of a run as one file for a browser. It loads nothing: scripts, styles and data are part of it, and its
Content-Security-Policy forbids everything else.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files

from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.safe import Safe
from orchestrator.report.account.values import Account
from orchestrator.report.html.page_data import page_data

# In the order of their dependencies.
SCRIPTS = ("uplot/uPlot.iife.min.js", "elements.js", "rows.js", "slots.js", "timeline.js", "detail.js", "page.js")
STYLES = ("uplot/uPlot.min.css", "page.css")


def report_page(account: Account, outlet: Outlet) -> Safe:
    """Return the page. Untrusted text is only in its title and its data. The data is JSON in which no character can end
    the element; scripts insert it as text.
    """
    shown = outlet.value(account)
    data = outlet.script_data(page_data(shown, outlet.redactor.value))
    title = outlet.element_text(f"Run {shown.run_id}: {shown.state}")
    script, style = _joined((*SCRIPTS, "start.js")), _joined(STYLES)
    allowed = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    return outlet.page(
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"{allowed}; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        "<noscript>This page needs its own script to draw its data. Allow scripts, or read"
        " <code>orchestrator report --md</code>.</noscript>\n"
        f'<script type="application/json" id="data">{data}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>"
    )


@cache
def _joined(names: tuple[str, ...]) -> str:
    """Return the joined parts of the page. None of them may end the element that contains it."""
    folder = files("orchestrator.report.html")
    return "\n".join(folder.joinpath(name).read_text("utf-8").strip() for name in names)


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
