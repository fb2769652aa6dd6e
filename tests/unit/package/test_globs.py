from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from orchestrator.package.globs import compiled


def matches(line: str, path: str, *, is_folder: bool = False) -> bool:
    pattern = compiled(line)
    assert pattern is not None
    return pattern.matches(path.encode(), is_folder=is_folder)


@pytest.mark.parametrize(
    ("line", "yes", "no"),
    [
        ("[[:digit:]].txt", ["1.txt", "a/1.txt"], ["a.txt", ":.txt"]),
        ("[![:space:]_]b", ["ab"], [" b", "_b"]),
        ("foo**/bar", ["foo/bar", "foo/x/bar", "foobar"], ["x/foo/bar", "fo/bar"]),
        ("f?o**/bar", ["foo/bar", "fxoq/bar"], ["foo/x/bar", "f/oo/bar"]),  # no slash before the stars: one folder
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("**/b", ["b", "x/b", "x/y/b"], ["xb"]),
        ("*/**/b", ["x/b", "x/y/b"], ["b", "xb"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]),
        ("a**b", ["ab", "axb"], ["acx"]),
        ("/a/**b", ["a/xb"], ["a/x/b"]),
        ("\\!a", ["!a"], ["a"]),
        ("\\#a", ["#a"], ["a"]),
        ("a\\ ", ["a "], ["a"]),
        ("a  ", ["a"], ["a  "]),
        ("a\\*", ["a*"], ["ab"]),
        ("[\\]x]", ["]", "x"], ["\\"]),
        ("[]x]", ["]", "x"], ["[]x]"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("?", ["a"], ["ab", "é"]),  # git counts bytes
        ("*.txt", [".txt", "é.txt"], ["txt"]),
    ],
)
def test_patterns_are_those_of_git(line: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes if not matches(line, path)] == []
    assert [path for path in no if matches(line, path)] == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("./a.env", 'write "/a.env"'),
        ("!./a/", 'write "!/a/"'),
        ("a//b", 'write "/a/b"'),
        ("a/./b/", 'write "/a/b/"'),
        ("../a", "never to `..`"),
        ("a/../b", "never to `..`"),
        ("[z-a]", "a range that goes backwards: z-a"),
        ("[/]x", "matches no character"),
        ("[[:foo:]]", r"there is no class \[:foo:\], only \[:alnum:\]"),
        ("[a", "a bracket is not closed"),
        ("[", "a bracket is not closed"),
        ("[a\\", "a bracket is not closed"),
        ("a\\", "ends with a backslash"),
        ("a\nb", "has a line break"),
        ("!", "names nothing"),
        ("/", "names nothing"),
        (".", "names the folder"),
        ("./", "names the folder"),
    ],
)
def test_what_can_match_nothing_is_refused_with_the_right_spelling(line: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        compiled(line)


@pytest.mark.parametrize("line", ["", "   ", "# notes", "#"])
def test_empty_lines_and_comments_are_no_patterns(line: str) -> None:
    assert compiled(line) is None


def test_no_pattern_takes_long() -> None:
    name = "a" * 250
    for line in ("*a" * 60 + "b", "*" * 60 + "b", "**/" * 60 + "b", "a**" * 60 + "/b", "*[a-z]" * 60 + "[!a-z]"):
        assert not matches(line, "/".join([name] * 15))  # with backtracking, longer than the age of the universe


@limits(deadline=None, max_examples=300)
@given(st.text("ab/*?[]!-\\^:. " + string.digits, max_size=30), st.text("ab/[]!-.1", max_size=20))
def test_any_line_is_read_or_refused(line: str, path: str) -> None:
    try:
        pattern = compiled(line)
    except ValueError:
        return
    assert pattern is None or pattern.matches(path.encode(), is_folder=False) in {True, False}
