"""Completion in bash, zsh and fish. It is click's, with scripts that handle quotes, `:` and `=` in words, and that
are fast with thousands of names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from orchestrator.completion.line import TypedLine, split_line
from orchestrator.completion.offers import PART, add_offers

VARIABLE = "_ORCHESTRATOR_COMPLETE"  # as click names it; `bash_complete`, for example, requests completions
_PROGRAM = "orchestrator"
_NATIVE = ("file", "dir")  # types of items that the shell completes itself


class _Whole(ShellComplete):
    """The part that all shells share. For `--option=word` click returns only the word; here it is the whole text."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return completions that replace the whole last word."""
        option, sign, _ = incomplete.partition("=")
        before = f"{option}{sign}" if sign and option.startswith("-") else ""
        found = super().get_completions(args, incomplete)
        return [
            one if one.type in _NATIVE else CompletionItem(f"{before}{one.value}", one.type, one.help)
            for one in found
            if one.type in _NATIVE or one.value.isprintable()
        ]

    def offered(self) -> list[CompletionItem]:
        """Return completions of the line that the shell passed."""
        return self.get_completions(*self.get_completion_args())


class _Bash(_Whole, BashComplete):
    """The first line is the type of the others: `plain`, `part` (no space follows), `file` or `dir` (by the shell)."""

    _line = TypedLine(())

    def get_completion_args(self) -> tuple[list[str], str]:
        """Parse the line itself: bash has split words at `:` and `=`, and does not say which parts belong together."""
        self._line = split_line(os.environ["COMP_LINE"], os.environ.get("COMP_WORDBREAKS", ""))
        *before, last = self._line.words
        return before[1:], last

    def complete(self) -> str:
        """Return the lines that the script reads."""
        found = self.offered()
        return "\n".join([_kind(found), *(self._line.written(one.value) for one in found)])


class _Zsh(_Whole, ZshComplete):
    """Three lines for each completion: type, word, and description ("_" for none)."""


class _Fish(_Whole, FishComplete):
    """The first line as for bash; then each word, a tab and its description."""

    def complete(self) -> str:
        """Return the lines that the script reads."""
        found = self.offered()
        return "\n".join([_kind(found), *(f"{one.value}\t{one.help}" if one.help else one.value for one in found)])


_SHELLS: Mapping[str, type[_Whole]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def _kind(found: list[CompletionItem]) -> str:
    types = {one.type for one in found}
    native = next((one for one in _NATIVE if one in types), "")
    return native or (PART if types == {PART} else "plain")


def print_script(shell: str) -> int:
    """Write the script that bash, zsh or fish reads at its start. Return the exit code."""
    _write(files(__package__).joinpath(f"orchestrator.{shell}").read_text("utf-8").rstrip())
    return 0


def complete(group: click.Group) -> int:
    """Answer the script of a shell, and return the exit code. After an error there are no completions, and nothing is
    printed into the line that the user types.
    """
    shell, _, asked = os.environ[VARIABLE].partition("_")
    with suppress(Exception):
        if asked == "source":  # as click has it for all programs
            return print_script(shell)
        add_offers(group)
        _write(_SHELLS[shell](group, {}, _PROGRAM, VARIABLE).complete())
    return 0


def _write(text: str) -> None:
    """Write text for a shell: our own scripts, and words without control characters."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
