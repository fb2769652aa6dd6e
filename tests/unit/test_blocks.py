"""Every fenced block of README.md and docs/ is executed by an end-to-end test, or validated here."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from orchestrator.cli import cli
from orchestrator.manifest.check import check
from orchestrator.manifest.locate import KeyPath
from orchestrator.sandbox.http.seeds import read_seeds
from tests.blocks import ROOT, Block, blocks, commands
from tests.published import kind_of, validator

BLOCKS = blocks()
LANGUAGES = {"crontab", "diff", "json", "python", "sh", "text", "toml", "yaml"}
# Programs that pages use besides ours. `make` and `python -m` are checked too.
OTHERS = {"cd", "curl", "docker", "eval", "export", "git", "head", "jq", "make", "mkdir", "pip", "python", "rm"}
OTHERS |= {"sort", "source", "terraform", "yc"}
# Why pages that no test executes have blocks of plain text.
PLAIN = {
    "docs/architecture.md": "a picture",
    "docs/cli.md": "usage lines, from click",
    "docs/manifest.md": "a transcript",
    "docs/packages.md": "a transcript",
    "docs/rollout.md": "a picture",
    "docs/scheduler.md": "a formula",
    "docs/speed.md": "output",
    "docs/telemetry.md": "output",
    "docs/terminal.md": "output",
    "docs/troubleshooting.md": "messages, which test_troubleshooting_page.py compares",
    "docs/why.md": "a transcript",
}


def of(*languages: str) -> list[Any]:
    return [pytest.param(block, id=block.place) for block in BLOCKS if block.language in languages]


def test_every_block_has_a_language() -> None:
    assert [f"{one.place} {one.language}" for one in BLOCKS if one.language not in LANGUAGES] == []


def test_plain_text_has_a_reason() -> None:
    plain = {one.page for one in BLOCKS if one.language == "text" and not one.is_executed}
    assert plain == {*PLAIN}, "commands are blocks of `sh`; what they print, a picture or a formula is `text`"
    hidden = [
        one.place
        for one in BLOCKS
        if one.language == "text" and one.page != "docs/cli.md" and re.search("^orchestrator ", one.text, re.MULTILINE)
    ]
    assert hidden == [], "commands are blocks of `sh`"


@pytest.mark.parametrize("block", of("sh", "crontab", "yaml", "text"))
def test_commands_are_as_the_program_takes_them(block: Block) -> None:
    for words in commands(block):
        if words[0] == "orchestrator":
            parse(words[1:])
        else:
            assert words[0] in OTHERS, (block.place, words)
        if words[0] == "make":
            assert re.search(rf"(?m)^{words[1]}:", (ROOT / "Makefile").read_text("utf-8")), words
        if words[:2] == ["python", "-m"]:
            assert find_spec(words[2]) is not None, words


def parse(words: list[str]) -> None:
    """Parse a command line as click does, without running it. Raises `click.UsageError`."""
    if words[0].startswith("-"):
        assert words[0] in {"--help", "-h", "--version"}
        return
    command = cli.commands[words[0]]
    context = click.Context(command, info_name=words[0])
    given, left, _ = command.make_parser(context).parse_args(list(words[1:]))
    assert left == []
    for parameter in command.params:
        value = given.get(parameter.name or "")
        values = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
        if isinstance(parameter, click.Argument) and parameter.required:
            assert values, f"{words}: {parameter.name} is missing"
        if isinstance(parameter.type, click.Choice):
            for one in values:
                parameter.type.convert(one, parameter, context)


def test_wrong_commands_are_found() -> None:
    for words in (["deploy", "--forse"], ["show", "-o", "xml"], ["run"], ["plan", "--out"]):
        with pytest.raises((click.UsageError, AssertionError)):
            parse(words)


@pytest.mark.parametrize("block", of("toml"))
def test_toml_is_of_a_manifest(block: Block, tmp_path: Path) -> None:
    """The tables of a whole manifest, or the keys of one function; keys of the reference are tested by themselves."""
    if block.page == "docs/manifest-keys.md":
        tomllib.loads(block.text)
        return
    if 'title="seed.toml"' in block.info:
        (tmp_path / "seed.toml").write_text(block.text, "utf-8")
        assert read_seeds([tmp_path / "seed.toml"]).functions
        return
    whole = filled_in(tomllib.loads(block.text))
    assert not mistakes(whole) or not mistakes({"functions": {"fun": whole}}), mistakes(whole)


def filled_in(value: Any) -> Any:
    """Return values without those that have variables, and with something for each placeholder of [each.NAME]."""
    if isinstance(value, dict):
        return {key: filled_in(item) for key, item in value.items() if not (isinstance(item, str) and "${" in item)}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    return re.sub(r"\{(folder|path|name)\}", "placeholder", value) if isinstance(value, str) else value


def mistakes(raw: dict[str, object]) -> list[str]:
    found: list[str] = []

    def complain(path: KeyPath, rule: str) -> None:
        found.append(f"{path}: {rule}")

    check(raw, [], complain)
    return found


def test_wrong_toml_is_found() -> None:
    assert mistakes(tomllib.loads("[functions.a]\nmemry = 3\n"))


@pytest.mark.parametrize("block", of("json"))
def test_json_is_as_its_schema_says(block: Block) -> None:
    found = json.loads(block.text)
    if "schema" in found:
        validator(kind_of(found)).validate(found)


@pytest.mark.parametrize("block", of("yaml", "python", "diff"))
def test_other_languages_are_read(block: Block) -> None:
    if block.language == "yaml":
        assert yaml.safe_load(block.text)
    elif block.language == "python":
        compile(block.text, block.place, "exec")
    else:
        assert {line[:1] for line in block.text.splitlines()} <= {" ", "+", "-", ""}, block.place
