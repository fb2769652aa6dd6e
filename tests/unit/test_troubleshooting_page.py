"""docs/troubleshooting.md quotes messages as they are printed, and its commands exist."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

from orchestrator.cli import cli
from tests.prose import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
QUOTES = [quote for block in re.findall(r"(?ms)^```text\n(.*?)^```$", PAGE) for quote in block.splitlines()]
# In sentences: tests/unit/test_blocks.py checks those of blocks.
COMMANDS = sorted(set(re.findall(r"`(orchestrator [^`]*)`", re.sub(r"(?ms)^```.*?^```$", "", PAGE))))
LEAST_WORDS = 3
_ROUND = " ,:;()"


@cache
def messages() -> str:
    """Return every text of the program that is no docstring, each on a line of its own, with X for what is inserted."""
    found: list[str] = []
    for file in (ROOT / "orchestrator").rglob("*.py"):
        waiting: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            waiting += [] if is_docstring else ast.iter_child_nodes(node)
    return "\n".join(" ".join(text.split()) for text in found)


def constant_parts(quote: str) -> list[str]:
    """Return the parts of a quoted line that are the same in every message. A message and its advice, which can be two
    texts of the program, may be joined by a semicolon.
    """
    parts = [part for between in quote.split("…") for part in between.split("; ")]
    return [part for part in (part.strip(_ROUND) for part in parts) if part.strip("\"'`.?")]


def is_printed(part: str) -> bool:
    """Return whether a constant part is in a text of the program, or is two that are joined, of three words each."""
    words = part.split(" ")
    ways = [(part,), *((" ".join(words[:at]), " ".join(words[at:])) for at in range(LEAST_WORDS, len(words) - 2))]
    return any(all(text.strip(_ROUND) in messages() for text in way) for way in ways)


def missing(quote: str) -> list[str]:
    """Return the parts of a quoted line that are in no message."""
    return [part for part in constant_parts(quote) if not is_printed(part)]


def test_the_quoted_messages_are_those_of_the_program() -> None:
    assert len(QUOTES) > 80
    assert [(quote, parts) for quote in QUOTES if (parts := missing(quote))] == []


@pytest.mark.parametrize(
    "quote", ["another run has the lock: …", "no folder: set it here, in … of this manifest or so"]
)
def test_a_message_that_is_not_printed_is_noticed(quote: str) -> None:
    assert missing(quote) != []


def test_each_entry_can_be_found_and_says_what_to_do() -> None:
    entries = re.split(r"(?m)^### ", PAGE)[1:]
    assert len(entries) > 40
    short = {"is not valid TOML: …", '"…" does not exist', "no … matches …"}
    for entry in entries:
        blocks = re.findall(r"(?ms)^```text\n(.*?)^```$", entry)
        assert blocks, entry
        for block in blocks:
            words = [len(part.split()) for line in block.splitlines() for part in constant_parts(line)]
            assert max(words) >= LEAST_WORDS or block.strip() in short, block
        assert "\n* **Meaning**: " in entry, entry
        assert "\n* **Do**: " in entry, entry


def test_each_command_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) > 20
    for command in COMMANDS:
        words = shlex.split(command.replace("NAME@VERSION", "name@d4e00000000000000000").replace("NAME", "name"))[1:]
        if words == ["--version"]:
            continue
        with cli.commands[words[0]].make_context(words[0], words[1:], parent=click.Context(cli)):
            pass
