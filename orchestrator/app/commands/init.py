"""`init`: a first deploy.toml, of the functions that lie in a folder. It writes that file, and no other."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.app.session.on_disk import look
from orchestrator.app.session.options import ANY_FOLDER, DEFAULT_CONFIG, state_dir_of
from orchestrator.errors import Exit, StartError, UsageError
from orchestrator.manifest.fields import PATTERNS
from orchestrator.manifest.load import survey
from orchestrator.manifest.writing.scaffold import scaffold_text
from orchestrator.package.detect.finding import DEPTH_MAX, FOLDERS_MAX, FoundFunction, detect_functions
from orchestrator.report.display.displays import answered, may_ask
from orchestrator.report.explained.function_views import InitView
from orchestrator.report.messages import Messages
from orchestrator.report.plain_text import counted, named
from orchestrator.report.views import CommandResult

_NAMED = 5  # functions that are named
_FOLDER_ID = r"^\S{1,50}$"
_BUCKET = "^[-.0-9a-zA-Z]{3,63}$"
_SAYS_WHAT = (
    "a file with `def handler`, `exports.handler`, `func Handler` or `function handler`, a Java or C# project with a"
    " handler, handler.sh"
)


def init_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Write a manifest, and say what to do next; with mistakes in what was written that is told (exit 2).

    Raises `UsageError` where there is one already, where nothing is found, and where nobody can be asked.
    """
    config: Path = given["config"]
    if os.path.lexists(config):
        raise _exists(config)
    root = config.absolute().parent
    found = detect_functions(root, DEFAULT_CONFIG)
    if not found.functions:
        raise UsageError(f"no function is found in {root}", advice=f"what counts: {_SAYS_WHAT}")
    if not given["yes"] and not may_ask():
        raise UsageError("init asks two questions, and there is no terminal to ask on", advice="add --yes")
    for other in found.other_projects:
        messages.warn(f"{other} is left out: it has a {DEFAULT_CONFIG} of its own")
    if found.cut_off:
        messages.warn(f"not everything was looked into: {FOLDERS_MAX:,} folders are, {DEPTH_MAX} deep")
    folder_id, bucket = os.environ.get("YC_FOLDER_ID", ""), given["bucket"] or ""
    if not given["yes"]:
        messages.say(
            f"{counted(len(found.functions), 'function')} found: {named((one.name for one in found.functions), _NAMED)}"
        )
        folder_id = _asked(messages, "Id of the folder", _FOLDER_ID, folder_id, "YC_FOLDER_ID says it")
        bucket = _asked(messages, "Bucket for packages", _BUCKET, bucket, "none: up to 3.5 MB each go without one")
    functions = {one.name: _keys(one) for one in found.functions}
    why = {one.name: one.runtime_why for one in found.functions}
    _write(config, scaffold_text(functions, folder_id, bucket, why))
    mistakes = _mistakes(config)
    for mistake in mistakes:
        messages.warn(mistake)
    view = InitView(config, found.functions, folder_id, bucket, mistakes)
    return CommandResult(Exit.USAGE if mistakes else Exit.DONE, view)


def _keys(one: FoundFunction) -> dict[str, Any]:
    """Give the keys of a function's table."""
    handler = one.handler
    return {
        "source": one.source,
        "runtime": handler.runtime,
        "entrypoint": handler.entrypoint,
        **({"files": dict(one.files)} if one.files else {}),
        **({"build": {"command": handler.build}} if handler.build else {}),
        **({"exclude": list(one.exclude)} if one.exclude else {}),
    }


def _asked(messages: Messages, question: str, pattern: str, default: str, otherwise: str) -> str:
    """Ask on the terminal until the answer fits; an empty one stands for the default. Raises `InterruptedRunError`."""
    while True:
        answer = answered(messages, f"{question} [{default or otherwise}]:", "nothing was written")
        if not answer or re.fullmatch(pattern, answer):
            return answer or default
        messages.say(PATTERNS[pattern])


def _mistakes(config: Path) -> tuple[str, ...]:
    """Say what is wrong with what was written, as `validate` does."""
    found = survey(config, {"YC_FOLDER_ID": ANY_FOLDER, **os.environ})
    of_sources, _ = look(found.manifest, state_dir_of(config, None))
    return tuple(str(mistake) for mistake in sorted([*found.mistakes, *of_sources]))


def _write(config: Path, text: str) -> None:
    """Make the file, whole or not at all, and write over nothing. Raises `UsageError`, `StartError`."""
    try:
        file = config.open("x", encoding="utf-8")
    except FileExistsError:
        raise _exists(config) from None
    except OSError as error:
        raise _unwritable(config, error) from error
    try:
        with file:
            file.write(text)
    except OSError as error:
        config.unlink(missing_ok=True)
        raise _unwritable(config, error) from error


def _unwritable(config: Path, error: OSError) -> StartError:
    return StartError(f"{config} cannot be written: {error.strerror}", advice="see that the folder may be written")


def _exists(config: Path) -> UsageError:
    return UsageError(
        f"{config} is there already, and init writes over nothing",
        advice="`orchestrator validate` checks it; --config FILE writes another one",
    )
