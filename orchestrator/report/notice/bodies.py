"""The body that a notification is posted as: the document itself, or a text for a chat.

Slack takes `text` in which & < > are escaped (docs.slack.dev, "Formatting message text"), so that untrusted text
mentions nobody. Telegram accepts 4,096 characters, without markup unless it is asked for (core.telegram.org,
"sendMessage").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.model import Notify
from orchestrator.redaction.outlet import Outlet
from orchestrator.report.plain_text import counted
from orchestrator.report.records import outcome_word

TELEGRAM_MAX = 4096
SLACK_MAX = 3000  # of 40,000: more is not readable in a chat
_COMMIT = 12
_WORDS = {"failed": "failed", "breach": "too many failures", "rolled_back": "rolled back", "paused": "paused"}


def body_of(hook: Notify, document: Mapping[str, Any], outlet: Outlet) -> bytes:
    """Return the body as JSON, without secrets."""
    if hook.format == "json":
        return outlet.json(document).encode()
    shown = outlet.value(dict(document))
    text = "\n".join(_lines(shown))
    if hook.format == "telegram":
        message = {"chat_id": hook.chat_id, "text": _cut(text, TELEGRAM_MAX)}
        return outlet.json(message | {"link_preview_options": {"is_disabled": True}}).encode()
    escaped = _cut(text, SLACK_MAX).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return outlet.json({"text": escaped}).encode()


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    verb = document["verb"]
    where = f" {document['environment']}" if document["environment"] else ""
    sandbox = " (sandbox)" if document["sandbox"] else ""
    none = "nothing to do" if not document["exit_code"] else "no outcome" if document["run_id"] else "no run began"
    counts = ", ".join(f"{count} {outcome_word(name, verb)}" for name, count in document["outcomes"].items()) or none
    kind = _WORDS.get(document["kind"], document["kind"])
    yield f"{kind}: {verb}{where}{sandbox}: {counts}"
    if document["selection"]:
        yield f"selected: {document['selection']}"
    if document["reason"]:
        yield document["reason"]
    for cause in document["causes"]:
        more = cause["count"] - len(cause["functions"])
        named = ", ".join(cause["functions"]) + (f" and {more} more" if more else "")
        if not document["run_id"]:
            yield cause["message"]
            continue
        yield f"{counted(cause['count'], 'function')} {cause['what']}: {named}"
        yield f"    {cause['message']}"
    if document["more_causes"]:
        yield f"and {counted(document['more_causes'], 'more cause')}"
    commit = f", commit {document['commit'][:_COMMIT]}" if document["commit"] else ""
    run = f"run {document['run_id']}" if document["run_id"] else "no run"
    yield f"{run}, by {document['by']}{commit}"
    if document["next"]:
        yield f"next: {document['next']}"
    if document["link"]:
        yield document["link"]


def _cut(text: str, most: int) -> str:
    """Return as much of a text as fits, counted in UTF-16 units, as these services do."""
    data = text.encode("utf-16-le", "replace")
    if len(data) <= 2 * most:
        return text
    return data[: 2 * (most - 1)].decode("utf-16-le", "ignore") + "…"
