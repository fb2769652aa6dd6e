"""A line of bash, and what takes the place of its last part."""

from __future__ import annotations

import pytest

from orchestrator.completion.line import split_line

BREAKS = " \t\n\"'@><=;|&(:"


@pytest.mark.parametrize(
    ("typed", "words", "offered", "written"),
    [
        ("o deploy ", ("o", "deploy", ""), "my fun", "my\\ fun"),
        ("o deploy my", ("o", "deploy", "my"), "my fun", "my\\ fun"),
        ("o deploy my\\ f", ("o", "deploy", "my f"), "my fun", "my\\ fun"),
        ('o deploy "my f', ("o", "deploy", "my f"), 'my fun"$', 'my fun\\"\\$'),
        ("o deploy 'my f", ("o", "deploy", "my f"), "my fun's", "my fun'\\''s"),
        ('o "a b" c', ("o", "a b", "c"), "cd", "cd"),
        ("o label:te", ("o", "label:te"), "label:team=", "team="),
        ("o label:team=", ("o", "label:team="), "label:team=a b", "a\\ b"),
        ('o "label:te', ("o", "label:te"), "label:team=", "label:team="),
        ('o label:team="a ', ("o", "label:team=a "), "label:team=a b", "a b"),
        ("o --env=pr", ("o", "--env=pr"), "--env=prod", "prod"),
        ("o @fi", ("o", "@fi"), "@file", "@file"),
        ("o api@", ("o", "api@"), "api@v", "@v"),
        ("o a\\:b", ("o", "a:b"), "a:bc", "a:bc"),
        ("o !a", ("o", "!a"), "!a$(b)", "\\!a\\$\\(b\\)"),
        ('o "a\\b" ""', ("o", "a\\b", ""), "x", "x"),
        ("o äp", ("o", "äp"), "äpfel", "äpfel"),
    ],
)
def test_what_is_replaced_is_written_as_bash_reads_it(
    typed: str, words: tuple[str, ...], offered: str, written: str
) -> None:
    line = split_line(typed, BREAKS)
    assert line.words == words
    assert line.written(offered) == written


def test_where_a_sign_breaks_no_word_the_whole_is_replaced() -> None:
    assert split_line("o label:te", " \t\n").written("label:team=") == "label:team="
