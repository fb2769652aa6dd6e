"""[notify.*] → notifications, and the rules that involve several of its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.manifest.disk import Disk
from orchestrator.manifest.environments.overlay import Overlay
from orchestrator.manifest.findings import Findings, did_you_mean
from orchestrator.manifest.includes.files import CheckedFile
from orchestrator.manifest.locate import KeyPath
from orchestrator.manifest.notify.notify_tables import NotifyTable
from orchestrator.manifest.setting_rules import repeated
from orchestrator.manifest.toml_files import SourceFile
from orchestrator.model import Notify

_TELEGRAM = "telegram"
_OTHERWISE = ("only", "timeout")  # keys that are not fields of the value


def hooks(main: SourceFile, first: CheckedFile, overlay: Overlay, disk: Disk, findings: Findings) -> tuple[Notify, ...]:
    """Return the notifications of the chosen environment. A variable that is not set does not stop a run: that the
    notification cannot be sent is shown instead.
    """
    made, check = [], first.check
    for name, table in (check.tables.notify or {}).items():
        path: KeyPath = ("notify", name)
        for key, rule in (*_breaches(table, main.folder, disk), *_of_lists(table, overlay.names)):
            if not any(check.is_broken((*path, other)) for other in (*key[:1], "url", "command", "format")):
                findings.mistake(main, (*path, *key), rule)
        if table.url and table.url.startswith("http://") and not _is_here(table.url):
            findings.warning(main, (*path, "url"), "is not https: notifications are sent unencrypted")
        if table.only is None or overlay.name in table.only:
            unset = [where for where in first.unset if where[:2] == path]
            made.append(_hook(name, table, main, unset))
    return tuple(made)


def _hook(name: str, table: NotifyTable, main: SourceFile, unset: list[KeyPath]) -> Notify:
    why = ""
    if unset:
        keys = ", ".join(dict.fromkeys(str(path[2]) for path in unset))
        why = f"{main.shown}:{main.line(unset[0])}: a variable of its {keys} is not set"
    given = {
        key: value for key, value in table.__dict__.items() if value is not None and key not in ("only", "timeout")
    }
    given |= {key: tuple(given[key]) for key in ("on", "command") if key in given}
    if table.timeout is not None:
        given["timeout_s"] = table.timeout
    return Notify(name=name, folder=Path(main.folder), unset=why, **given)


def _breaches(table: NotifyTable, folder: str, disk: Disk) -> Iterator[tuple[KeyPath, str]]:
    if table.url is not None and table.command is not None:
        yield ("command",), "set only one of url and command; url is set too"
    elif table.url is None and table.command is None:
        yield (), "needs a url, or a command"
    if table.command is not None:
        if why := disk.no_program(table.command[0], folder):
            yield ("command",), why
        for key in ("format", "chat_id", "secret"):
            if getattr(table, key) is not None:
                yield (key,), "is only allowed with url; a command reads the JSON body"
        return
    if table.format == _TELEGRAM and table.chat_id is None:
        yield ("format",), '"telegram" needs chat_id: the chat to notify'
    if table.format != _TELEGRAM and table.chat_id is not None:
        yield ("chat_id",), 'is only allowed with format = "telegram"'
    if table.secret == "":
        yield ("secret",), "must not be empty; leave out the key to send unsigned bodies"


def _of_lists(table: NotifyTable, environments: tuple[str, ...]) -> Iterator[tuple[KeyPath, str]]:
    for index in repeated(table.on):
        yield ("on", index), f'"{table.on[index]}" is listed twice'
    for index, name in enumerate(table.only or ()):
        if name not in environments:
            yield ("only", index), f'"{name}" is not an environment of this manifest{did_you_mean(name, environments)}'


def _is_here(url: str) -> bool:
    host = url.partition("://")[2].partition("/")[0].rpartition(":")[0] or url.partition("://")[2].partition("/")[0]
    return host in ("localhost", "127.0.0.1", "[::1]")
