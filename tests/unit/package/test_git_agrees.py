"""Lists of patterns, generated from a seed, compared with git itself: what git would not ignore is packed."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import PackageError
from orchestrator.package.ignore_rules import patterns
from tests.unit.package.trees import code_of, make_tree, scan

LISTS = 100  # 6,000 were tried once, with other seeds
GIT = shutil.which("git")
ATOMS = (
    "a", "b", "ab", "foo", "bar", "lib", "/", "/", "/", "*", "*", "**", "***", "?", "[ab]", "[!a]", "[^b]", "[a-c]",
    "[z-a]", "[[:digit:]]", "[![:alpha:]]", "[]a]", "[a-]", "[\\]a]", "[[:foo:]]", "[", "\\", "\\*", "\\a", "\\/", " ",
    "\\ ", "!", "#", ".", "é", "1", "-", "]", "[:a]", "[[:a]", "[a/b]", "[é]", "**/", "/**", "/**/", "\t", "~",
    "[a\\-c]", "[[:upper:]-z]", "foo**/", "\\!", "\\#", "./", "[[:punct:]]", "[[:space:]]", "[[:cntrl:]]",
)  # fmt: skip
NAMES = (
    "a", "b", "ab", "foo", "bar", "foobar", "lib", "1", "c", "-", "]", "[", "*", "é", " ", ".a", "A", "z~z", "a b",
    "!a", "#a", "z", "a ", "b1", "ab*",
)  # fmt: skip


def line(rng: random.Random) -> str:
    text = "".join(rng.choice(ATOMS) for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 5, 6])))
    text = text.replace("**//", "**/")  # we refuse its "//"; git takes `a**//` for the folder a
    before = "!" if rng.random() < 0.2 else ""
    spaces = " " * rng.randrange(3) if rng.random() < 0.1 else ""
    return before + text + ("/" if rng.random() < 0.15 and not text.endswith("/") else "") + spaces


def understood(text: str, folder: Path) -> str | None:
    """Return a line unchanged; "" for one that could match nothing, None for any other refused one."""
    try:
        patterns([text], "list", str(folder))
    except PackageError as error:
        return "" if "can never match" in error.message else None
    return text


def some_files(rng: random.Random) -> set[str]:
    found = {"keep", "lib/keep"}
    while len(found) < 120:
        path = "/".join(rng.choice(NAMES) for _ in range(rng.choice([1, 2, 2, 3, 4])))
        above = {path[:at] for at, char in enumerate(path) if char == "/"}
        if path not in found and not above & found and not any(other.startswith(f"{path}/") for other in found):
            found.add(path)
    return found


@pytest.mark.skipif(GIT is None, reason="there is no git here")
def test_git_reads_the_same_lists_in_the_same_way(tmp_path: Path) -> None:
    rng = random.Random(11)
    folder = make_tree(tmp_path / "project/fn", dict.fromkeys(some_files(rng), ""))
    project = folder.parent
    subprocess.run([str(GIT), "init", "--quiet", project], check=True)
    listing = [str(GIT), "-c", "core.excludesFile=", "-c", "core.ignorecase=false", "-C", str(folder), "ls-files"]
    for _ in range(LISTS):
        lists = [[line(rng) for _ in range(rng.choice([0, 1, 2, 4]))] for _ in range(3)]
        for place, lines in zip((project, folder, folder / "lib"), lists, strict=True):
            known = [(text, read) for text in lines if (read := understood(text, place)) is not None]
            # The manifest names the source itself, so no rule excludes it.
            (place / ".gitignore").write_text("\n".join([*(text for text, _ in known), "!keep", "!/fn\n"]), "utf-8")
            (place / ".orchestratorignore").write_text("\n".join([*(read for _, read in known), "!keep"]), "utf-8")
        shown = subprocess.run(
            [*listing, "-z", "--others", "--exclude-per-directory=.gitignore"], check=True, capture_output=True
        ).stdout.decode()
        expected = {name for name in shown.split("\0") if name and not name.endswith("ignore")}
        taken = {name for name in scan(code_of(folder, project)).paths if not name.endswith("ignore")}
        assert taken == expected, lists
