"""The table of notifications."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from orchestrator.manifest import fields as f
from orchestrator.manifest.fields import StrictTable, a_key, list_key, needed_list
from orchestrator.manifest.rollout import rollout_fields as r


def _address(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("must be a URL that begins with https:// or http://")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must not contain spaces or line breaks")
    return url


def _hook(url: str) -> str:
    if not _address(url).isascii():
        raise ValueError("must be ASCII: write a host in its xn-- form, and other characters as %XX")
    if url and not _has_host(url):
        raise ValueError("is not a valid address: write https://HOST/PATH or https://HOST:PORT/PATH")
    return url


def _has_host(url: str) -> bool:
    """Return whether a URL has a host that can be looked up, and a port if it has a colon after it."""
    try:
        found = urlsplit(url)
        return bool(found.hostname and found.hostname.encode("idna")) and found.port != 0
    except ValueError:
        return False


def _link(url: str) -> str:
    if not url:
        raise ValueError("must be a URL; leave out the key for no link")
    return _address(url)


HookUrl = Annotated[str, AfterValidator(_hook)]
Link = Annotated[str, AfterValidator(_link)]
Notice = Literal["failed", "breach", "rolled_back", "paused", "done"]


class NotifyTable(StrictTable):
    """A notification about runs: a URL that is called, or a command."""

    on: Annotated[list[Notice], Field(min_length=1)] = needed_list(
        "notify.on", "The events: failed, breach, rolled_back, paused, done."
    )
    url: HookUrl | None = a_key('The URL to post to. "": no notification. Or `command`.')
    command: r.Command | None = list_key(
        "notify.command",
        "A program and its arguments, run in the folder of this file. It reads the JSON body from stdin.",
    )
    format: Literal["json", "telegram", "slack"] | None = a_key('Format of the body for `url`. Default: "json".')
    chat_id: f.Text | None = a_key("The chat, for telegram. Required with it.")
    secret: str | None = a_key("Key to sign bodies with: HMAC-SHA256, in X-Orchestrator-Signature.")
    only: list[f.EnvironmentName] | None = list_key("notify.only", "Environments to notify about. Default: all.")
    link: Link | None = a_key("A link to include; {run} and {environment} are replaced.")
    timeout: r.HookTimeout | None = a_key('Time limit of the response, or of the command, up to 30s. Default: "10s".')
