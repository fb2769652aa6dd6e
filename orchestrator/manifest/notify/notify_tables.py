"""The table of who is told of runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from orchestrator.manifest import fields as f
from orchestrator.manifest.fields import StrictTable, a_key, list_key, needed_list
from orchestrator.manifest.rollout import rollout_fields as r


def _hook(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("must be a URL that begins with https:// or http://")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must hold no spaces and no line ends")
    return url


def _link(url: str) -> str:
    if not url:
        raise ValueError("must be a URL; without this key there is none")
    return _hook(url)


HookUrl = Annotated[str, AfterValidator(_hook)]
Link = Annotated[str, AfterValidator(_link)]
Notice = Literal["failed", "breach", "rolled_back", "paused", "done"]


class NotifyTable(StrictTable):
    """Who is told of runs: an address that is called, or a command."""

    on: Annotated[list[Notice], Field(min_length=1)] = needed_list(
        "notify.on", "What is told: failed, breach, rolled_back, paused, done."
    )
    url: HookUrl | None = a_key('Where it is posted. "": nobody is told. Or `command`.')
    command: r.Command | None = list_key(
        "notify.command", "A program and its arguments, run in the folder of this file; it reads the JSON body."
    )
    format: Literal["json", "telegram", "slack"] | None = a_key('The body that `url` takes. Default: "json".')
    chat_id: f.Text | None = a_key("Of telegram: the chat. Required with it.")
    secret: str | None = a_key("Bodies are signed with it: HMAC-SHA256, in X-Orchestrator-Signature.")
    only: list[f.EnvironmentName] | None = list_key("notify.only", "Environments of which it is told. Default: all.")
    link: Link | None = a_key("A link to put into it; {run} and {environment} stand for those.")
    timeout: r.HookTimeout | None = a_key('How long an answer, or the command, may take, up to 30s. Default: "10s".')
