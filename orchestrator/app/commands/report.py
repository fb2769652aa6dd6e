"""`report`: reports how a run and its resumes went: as text, as data, and as a page for a browser."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.app.session.known_run import known_account
from orchestrator.app.session.options import read_place
from orchestrator.errors import Exit, UsageError
from orchestrator.manifest.writing.manifest_file import write_manifest
from orchestrator.model.units import MB
from orchestrator.report.account.values import Account
from orchestrator.report.account.view import ReportView
from orchestrator.report.messages import Messages
from orchestrator.report.views import CommandResult, words

_BEGINS = b"<!doctype html>"


def report_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Report how a run went. With --html, writes the page and prints only where it is.

    Raises `JournalError`, `UsageError` as `show` does; `UsageError`, `StartError` where the page cannot be written.
    """
    page, also = given["html"], given["as_markdown"] or given["as_json"]
    if given["as_markdown"] and given["as_json"]:
        raise UsageError("--md and --json cannot be combined", advice="run the command twice")
    if page == "-" and also:
        raise UsageError(
            "--html - cannot be combined with --md or --json: both go to stdout",
            advice="write the page to a file: --html report.html",
        )
    if page not in (None, "-"):
        _check(Path(page))
    gc.disable()  # saves a third of the time: a large run has a million values, and none of them is garbage
    try:
        account = known_account(read_place("report", given), messages, given["run"])
        if page is not None:
            _write(page, account, messages)
    finally:
        gc.enable()
    return CommandResult(Exit.DONE, ReportView(account) if page is None or also else None)


def _check(path: Path) -> None:
    """Check that the page overwrites nothing but a page."""
    if path.is_dir():
        raise UsageError(f"--html {path} is a folder", advice="choose a file in it")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--html {path}: there is no folder {path.parent}", advice="create it, or choose another file")
    try:
        with path.open("rb") as file:
            begins = file.read(len(_BEGINS)).lower()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"--html {path} cannot be written: {error.strerror}", advice="choose another file") from error
    if begins not in (b"", _BEGINS):
        raise UsageError(
            f"--html {path}: the file exists already and is not a report", advice="choose another file, or remove it"
        )


def _write(path: str, account: Account, messages: Messages) -> None:
    from orchestrator.report.html.page import report_page  # noqa: PLC0415 - when it is asked for

    messages.outlet.redactor.protect(words(ReportView(account)))
    text = report_page(account, messages.outlet)
    if path == "-":
        messages.give(text)
        return
    write_manifest(Path(path), f"{text}\n")
    messages.say(f"{path}: {len(text.encode()) / MB:.1f} MB; run {account.run_id}: {account.sentence}")
