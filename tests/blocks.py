"""The fenced blocks of the pages, and the commands in them. `python -m tests.blocks` counts them."""

from __future__ import annotations

import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Tests that execute the commands of whole pages.
EXECUTED_BY = ("test_guides.py", "test_teams_page.py")
_BLOCK = re.compile(r"(?ms)^( *)```([^\n]*)\n(.*?)^\1```$")
_OPERATORS = {"|", "||", "&&", ";", "&"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its page and line, its language, what follows the language, its text without indentation."""

    page: str
    line: int
    language: str
    info: str
    text: str

    @property
    def place(self) -> str:
        """Its place, for people."""
        return f"{self.page}:{self.line}"

    @property
    def is_executed(self) -> bool:
        """Return whether a test executes the commands of its page."""
        return self.page in executed_pages()


def blocks() -> list[Block]:
    """Return the blocks of all pages, in their order."""
    found = []
    for path in PAGES:
        page = path.read_text("utf-8")
        for one in _BLOCK.finditer(page):
            language, _, info = one[2].partition(" ")
            text = re.sub(rf"(?m)^{one[1]}", "", one[3])
            line = page.count("\n", 0, one.start()) + 1
            found.append(Block(path.relative_to(ROOT).as_posix(), line, language, info, text))
    return found


def executed_pages() -> set[str]:
    """Return the pages that end-to-end tests execute from top to end."""
    tests = "".join((ROOT / "tests" / "e2e" / name).read_text("utf-8") for name in EXECUTED_BY)
    names = re.findall(r'follow\("([\w.-]+)"', tests) + re.findall(r'"docs" / "([\w.-]+)"', tests)
    return {f"docs/{name}" for name in names}


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command of a block: of a shell, of crontab, of a CI's YAML, or after a prompt."""
    if block.language == "sh":
        lines = block.text.replace("\\\n", " ").splitlines()
    elif block.language == "crontab":
        lines = [line.split(maxsplit=5)[5] for line in block.text.splitlines() if line and line[0] != "#"]
    elif block.language == "yaml":
        lines = list(_texts(yaml.safe_load(block.text)))
    else:
        lines = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
    for line in lines:
        yield from _commands(line)


def _texts(node: Any) -> Iterator[str]:
    """Yield the texts of YAML that are commands of the program."""
    if isinstance(node, str):
        yield from (line for line in node.splitlines() if line.startswith("orchestrator "))
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _texts(item)


def _commands(line: str) -> Iterator[list[str]]:
    words: list[str] = []
    reader = shlex.shlex(line.partition("  #")[0].strip(), posix=True, punctuation_chars=";&|<>")
    reader.whitespace_split, reader.commenters = True, "#"
    skip = False
    for word in [*reader, ";"]:
        if word in _OPERATORS:
            if words:
                yield words
            words = []
        elif set(word) <= set("<>&") or skip:
            skip = not skip  # a redirection and its file
        else:
            words.append(word)


def main() -> None:
    """Print how many blocks and commands there are."""
    counted: Counter[str] = Counter()
    for block in blocks():
        counted[f"blocks of {block.language or 'no language'}"] += 1
        for words in commands(block):
            program = "orchestrator" if words[0] == "orchestrator" else "other"
            counted[f"{program} commands {'executed' if block.is_executed else 'parsed'}"] += 1
    sys.stdout.write("".join(f"{count:5} {what}\n" for what, count in sorted(counted.items())))


if __name__ == "__main__":
    main()
