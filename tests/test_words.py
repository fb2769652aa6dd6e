"""Messages, docstrings, comments and pages follow docs/style.md, as far as a machine can check it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.prose import ROOT, WORDS_MAX, banned_words, pieces, sentences, words_in

BANNED = banned_words()
PATTERNS = (
    "*.md",
    "*.toml",
    ".ci/*",
    "Makefile",
    "docs/**/*.md",
    "examples/**/*.toml",
    "jobs/*.py",
    "orchestrator/**/*.cjs",
    "orchestrator/**/*.js",
    "orchestrator/**/*.py",
    "tests/**/*.py",
)
# Published and stored values, which keep their spelling forever: readers compare them.
PUBLISHED = {"not what was wanted", "serves $latest all the same"}
OTHERS_WORK = "orchestrator/report/html/uplot/"


def rooms() -> dict[str, list[Path]]:
    """Return the checked files, by the folder that they belong to."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.is_file()}):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(OTHERS_WORK):
            found["/".join(name.split("/")[:2])].append(path)
    return found


ROOMS = rooms()


@pytest.mark.parametrize("room", ROOMS)
def test_prose_follows_the_style(room: str) -> None:
    """In tests, only their own words are checked, and not the messages that they expect."""
    wrong = []
    for path in ROOMS[room]:
        for piece in pieces(path):
            if piece.text in PUBLISHED or (piece.kind == "message" and room.startswith("tests/")):
                continue
            for sentence in sentences(piece.text):
                wrong += [f"{piece.place}: {word[0]!r} in: {sentence}" for word in BANNED.finditer(sentence)]
                if (words := words_in(sentence)) > WORDS_MAX:
                    wrong.append(f"{piece.place}: {words} words: {sentence}")
    assert wrong == [], "docs/style.md says what to write instead"


def test_the_glossary_has_thirty_terms_at_most() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    assert sum(line.startswith("| ") for line in page.splitlines()) - 2 <= 30


def test_the_words_are_found() -> None:
    assert [word[0] for word in BANNED.finditer("It stands anew; `told`: standstill, un-told, Somebody.")] == [
        "stands",
        "anew",
        "told",
        "Somebody",
    ]
    assert list(sentences("One `told. b` two. Three\n\n* four | five")) == ["One X two.", "Three", "* four", "five"]
