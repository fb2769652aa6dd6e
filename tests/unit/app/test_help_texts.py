"""Help texts: summaries are not cut off, each verb has examples that parse, options are described in one form."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from orchestrator.cli import cli

COLUMNS = 80
EXAMPLES = range(2, 5)  # per verb
# Parts of a shell line that are not arguments: a pipe, a redirection and its file.
_SHELL = re.compile(r"\s(?:>>?|\|).*")
# First words of clauses that describe an option indirectly, as in "Where it listens".
_INDIRECT = ("how", "let", "of", "the", "what", "where", "whether", "which", "whose")


def help_of(*verb: str) -> str:
    context = cli.make_context("orchestrator", list(verb), resilient_parsing=True, terminal_width=COLUMNS)
    if not verb:
        return cli.get_help(context)
    command = cli.commands[verb[0]]
    return command.get_help(click.Context(command, parent=context, info_name=verb[0]))


def examples(text: str) -> list[list[str]]:
    """Return the arguments of each example. Comments and what the shell takes are left out."""
    found = text.partition("Examples:")[2].partition("\n\n")[0].split("\n")
    return [shlex.split(_SHELL.sub("", line), comments=True) for line in found if line.strip()]


def test_a_summary_is_not_cut_off() -> None:
    summaries = help_of().partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in summaries] == sorted(cli.commands)
    assert [line for line in summaries if line.endswith("...")] == []


@pytest.mark.parametrize("verb", ["", *cli.commands])
def test_examples_parse(verb: str) -> None:
    found = examples(help_of(*verb.split()))
    assert len(found) in EXAMPLES
    for program, name, *arguments in found:
        assert program == "orchestrator"
        assert verb in ("", name)
        cli.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("verb", ["", *cli.commands])
def test_the_layout_fits_the_terminal(verb: str) -> None:
    assert [line for line in help_of(*verb.split()).splitlines() if len(line) > COLUMNS] == []


@pytest.mark.parametrize("verb", cli.commands)
def test_an_option_is_a_noun_phrase_or_an_imperative(verb: str) -> None:
    texts = [one.help or "" for one in cli.commands[verb].params if isinstance(one, click.Option)]
    wrong = [text for text in texts if text.lower().startswith(tuple(f"{word} " for word in _INDIRECT))]
    assert wrong == []
    assert [text for text in texts if not re.match(r"[A-Z].*[.…)\]]$", text)] == []
