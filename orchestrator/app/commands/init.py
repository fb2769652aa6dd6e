"""`init`: writes a first deploy.toml for the functions in a folder. It writes no other file."""

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

_NAMED = 5  # functions to name
_FOLDER_ID = r"^\S{1,50}$"
_BUCKET = "^[-.0-9a-zA-Z]{3,63}$"
_SAYS_WHAT = (
    "a file with `def handler`, `exports.handler`, `func Handler` or `function handler`, a Java or C# project with a"
    " handler, handler.sh"
)


def init_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Write a manifest and print the next step. Exits with 2 where the result has mistakes, which are reported.

    Raises `UsageError` where a manifest exists, where no function is found, and where there is no terminal for the
    prompts.
    """
    config: Path = given["config"]
    if os.path.lexists(config):
        raise _exists(config)
    root = config.absolute().parent
    found = detect_functions(root, DEFAULT_CONFIG)
    if not found.functions:
        raise UsageError(f"no functions found in {root}", advice=f"init looks for {_SAYS_WHAT}")
    if not given["yes"] and not may_ask():
        raise UsageError("init needs a terminal for its two prompts", advice="use --yes to skip them")
    for other in found.other_projects:
        messages.warn(f"{other} was skipped: it has its own {DEFAULT_CONFIG}")
    if found.cut_off:
        messages.warn(f"the search is incomplete: it is limited to {FOLDERS_MAX:,} folders and a depth of {DEPTH_MAX}")
    folder_id, bucket = os.environ.get("YC_FOLDER_ID", ""), given["bucket"] or ""
    if not given["yes"]:
        messages.say(
            f"{counted(len(found.functions), 'function')} found: {named((one.name for one in found.functions), _NAMED)}"
        )
        folder_id = _asked(messages, "Folder ID", _FOLDER_ID, folder_id, "use YC_FOLDER_ID")
        bucket = _asked(messages, "Bucket for packages", _BUCKET, bucket, "none: packages up to 3.5 MB")
    functions = {one.name: _keys(one) for one in found.functions}
    why = {one.name: one.runtime_why for one in found.functions}
    _write(config, scaffold_text(functions, folder_id, bucket, why))
    mistakes = _mistakes(config)
    for mistake in mistakes:
        messages.warn(mistake)
    view = InitView(config, found.functions, folder_id, bucket, mistakes)
    return CommandResult(Exit.USAGE if mistakes else Exit.DONE, view)


def _keys(one: FoundFunction) -> dict[str, Any]:
    """Return the keys of a function's table."""
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
    """Prompt until the answer is valid. An empty answer selects the default. Raises `InterruptedRunError`."""
    while True:
        answer = answered(messages, f"{question} [{default or otherwise}]:", "nothing was written")
        if not answer or re.fullmatch(pattern, answer):
            return answer or default
        messages.say(PATTERNS[pattern])


def _mistakes(config: Path) -> tuple[str, ...]:
    """Return the mistakes of the written manifest, as `validate` finds them."""
    found = survey(config, {"YC_FOLDER_ID": ANY_FOLDER, **os.environ})
    of_sources, _ = look(found.manifest, state_dir_of(config, None))
    return tuple(str(mistake) for mistake in sorted([*found.mistakes, *of_sources]))


def _write(config: Path, text: str) -> None:
    """Create the file completely or not at all, and never overwrite one. Raises `UsageError`, `StartError`."""
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
    return StartError(f"{config} cannot be written: {error.strerror}", advice="check the permissions of the folder")


def _exists(config: Path) -> UsageError:
    return UsageError(
        f"{config} exists already, and init never overwrites a file",
        advice="check it with `orchestrator validate`, or write another file with --config FILE",
    )
