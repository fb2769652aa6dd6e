"""The prose of the repository: messages, docstrings, comments, pages. `python -m tests.prose PATH…` lists it."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
STYLE = ROOT / "docs" / "style.md"
WORDS_MAX = 35
_UNWRAPPED = re.compile(r"\x08\n(?:.+(?:\n|$))*")  # click does not join the lines of these paragraphs
_CODE_SPAN = re.compile(r"``[^`]*``|`[^`]*`")
_FENCE = re.compile(r"(?ms)^ *(```|~~~).*?^ *\1 *$")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')]*\s+|\n\s*\n|\n\s*(?=[*|#>+-] |\d+\. )|\s*\|\s*")
_SQL = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE) ")
_TOML = re.compile(r"\n\w+ = ")
_SCRIPT_TEXT = re.compile(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]* [^\"\n]*\"|'[^'\n]* [^'\n]*'|`[^`]* [^`]*`", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of prose, with the line that it begins at. `kind`: message, docstring, comment or page."""

    path: Path
    line: int
    kind: str
    text: str

    @property
    def place(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}"


def pieces(path: Path) -> Iterator[Piece]:
    """Yield every piece of prose of a file, without code spans and code blocks."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield from _of_python(path, text)
    elif path.suffix == ".md":
        yield from _of_page(path, text)
    elif path.suffix in {".js", ".cjs", ".css", ".html"}:
        for found in _SCRIPT_TEXT.finditer(text):
            yield Piece(path, text.count("\n", 0, found.start()) + 1, "message", found[0])
    else:
        for number, line in enumerate(text.splitlines(), 1):
            before, mark, comment = line.partition("# ")
            if mark and not before.strip().startswith("#!"):
                yield Piece(path, number, "comment", comment)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text. A cell of a table and an item of a list are sentences of their own."""
    for sentence in _SENTENCE_END.split(_CODE_SPAN.sub("X", text)):
        if sentence and sentence.strip():
            yield " ".join(sentence.split())


def words_in(sentence: str) -> int:
    """Return how many words a sentence has. Numbers, signs and HTML tags are not words."""
    return len(re.findall(r"[^\W\d_][\w'’-]*", re.sub(r"<[^<>]*>", " ", sentence)))


def banned_words() -> re.Pattern[str]:
    """Return a pattern of the first column of the table in docs/style.md. Raises `ValueError` if there is none."""
    table = STYLE.read_text("utf-8").partition("| not | but |")[2].splitlines()[2:]
    cells = [line.split("|")[1] for line in table if line.startswith("|")]
    words = [word.strip() for cell in cells for word in cell.split(",")]
    if not words:
        message = "docs/style.md has no table of words"
        raise ValueError(message)
    return re.compile(r"(?<![\w$-])(?:" + "|".join(map(re.escape, words)) + r")(?![\w-])", re.IGNORECASE)


def _of_python(path: Path, text: str) -> Iterator[Piece]:
    tree = ast.parse(text)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
                if isinstance(first.value.value, str):
                    said = _UNWRAPPED.sub(lambda found: found[0].replace("\n", "\n\n"), first.value.value)
                    yield Piece(path, first.lineno, "docstring", said)
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(value) for value in node.values}
            parts = [value.value if isinstance(value, ast.Constant) else "X" for value in node.values]
            yield from _message(path, node.lineno, "".join(map(str, parts)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | inside:
            yield from _message(path, node.lineno, node.value)
    yield from _comments(path, text)


def _message(path: Path, line: int, text: str) -> Iterator[Piece]:
    if re.search(r"[a-z] +[a-z]", text) and not (_SQL.match(text) or _TOML.match(text)):
        yield Piece(path, line, "message", text)


def _comments(path: Path, text: str) -> Iterator[Piece]:
    """Yield comments. Consecutive comment lines are one piece."""
    begun, last, block = 0, -1, ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        alone = not token.line[: token.start[1]].strip()
        said = token.string.lstrip("#").strip()
        if alone and last == token.start[0] - 1 and block:
            block += f"\n{said}"
        else:
            if block:
                yield Piece(path, begun, "comment", block)
            begun, block = token.start[0], said
        last = token.start[0] if alone else -1
    if block:
        yield Piece(path, begun, "comment", block)


def _of_page(path: Path, text: str) -> Iterator[Piece]:
    blank = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    blank = _LINK.sub(r"\1", _CODE_SPAN.sub(lambda found: "X" + "\n" * found[0].count("\n"), blank))
    if path == STYLE:
        blank = blank.partition("## Words")[0]
    at = 1
    for part in re.split(r"(\n\s*\n)", blank):
        if part.strip():
            yield Piece(path, at, "page", part)
        at += part.count("\n")


def main(paths: list[str]) -> None:
    """Print every piece of these files and folders, for people to read."""
    for name in paths:
        found = Path(name)
        for path in sorted(found.rglob("*.py")) if found.is_dir() else [found]:
            for piece in pieces(path.resolve()):
                sys.stdout.write(f"{piece.place} {piece.kind}: {piece.text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
