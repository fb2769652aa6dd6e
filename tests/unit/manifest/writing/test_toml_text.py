"""What is written reads back as it was, for all values."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.manifest.variables.interpolation import interpolate
from orchestrator.manifest.writing.toml_text import Variable, comment, dotted_key, literal, toml_key, toml_value

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES = st.recursive(
    TEXTS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.sampled_from(["${A}", "$${A}", "$$${", '"""', "\\u"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_every_value_reads_back(table: dict[str, object]) -> None:
    text = "\n".join(f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items())
    assert tomllib.loads(text) == table
    assert all(character.isprintable() or character == "\n" for character in text)


@given(TEXTS, TEXTS, VALUES)
def test_every_table_and_comment_reads_back(name: str, said: str, value: object) -> None:
    text = f"{comment(said)}\n[{dotted_key('functions', name)}]\nkey = {toml_value(value)}"
    assert tomllib.loads(text) == {"functions": {name: {"key": value}}}


@given(st.text(st.sampled_from("${}aA"), max_size=8) | TEXTS)
def test_a_text_without_variables_stays_one(text: str) -> None:
    reported: list[str] = []
    read = interpolate({"key": literal(text)}, lambda _: ("put in", ""), lambda _, rule: reported.append(rule), str)
    assert read == {"key": text}
    assert reported == []


def test_a_variable_is_written_as_one() -> None:
    assert toml_value(literal({"A": Variable("${A}"), "B": "${A}"})) == '{ A = "${A}", B = "$${A}" }'
