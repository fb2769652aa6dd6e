"""Keys of a manifest are changed in place; every other line stays as it is."""

from __future__ import annotations

import tomllib
from difflib import ndiff
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.manifest.writing.editing import REMOVED, Edit, UneditableError, edited
from orchestrator.manifest.writing.toml_text import toml_key, toml_value

TEXT = """\
# Ours. Handle with care.
[defaults]
memory = "128MB"   # for all

[functions]
inline = { use = ["web"], memory = "1GB" } # one line

# The table of a
[functions.a] # first
  memory = "1GB"      # keep me
  environment = { LEVEL = "info", KEEP = "1" }
  without = [
    "tags",  # why
    "labels.team",
  ]

# The table of b
[functions.b.labels]
team = "x"

[[functions.b.secrets]]
environment_variable = "TOKEN"   # a secret
key = "k"
id = "e6q"
"""
DOTTED = '[functions]\ndotted.memory = "1GB"\ndotted.log.min_level = "WARN"  # log\n# end\n'


def changed(before: str, after: str) -> list[str]:
    return [line for line in ndiff(before.splitlines(), after.splitlines()) if line[:1] in "+-"]


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (
            Edit(("functions", "a", "memory"), "2GB"),
            ['-   memory = "1GB"      # keep me', '+   memory = "2GB"      # keep me'],
        ),
        (Edit(("functions", "a", "timeout"), "5s"), ['+   timeout = "5s"']),
        (
            Edit(("functions", "a", "environment", "LEVEL"), "warn"),
            [
                '-   environment = { LEVEL = "info", KEEP = "1" }',
                '+   environment = { LEVEL = "warn", KEEP = "1" }',
            ],
        ),
        (
            Edit(("functions", "a", "environment", "LEVEL"), REMOVED),
            ['-   environment = { LEVEL = "info", KEEP = "1" }', '+   environment = { KEEP = "1" }'],
        ),
        (Edit(("functions", "a", "memory"), REMOVED), ['-   memory = "1GB"      # keep me']),
        (Edit(("functions", "a", "without"), "log", adds=True), ['+     "log",']),
        (Edit(("functions", "a", "without", 0), REMOVED), ['-     "tags",  # why']),
        (
            Edit(("functions", "a", "without"), REMOVED),
            ["-   without = [", '-     "tags",  # why', '-     "labels.team",', "-   ]"],
        ),
        (
            Edit(("functions", "inline", "timeout"), "5s"),
            [
                '- inline = { use = ["web"], memory = "1GB" } # one line',
                '+ inline = { use = ["web"], memory = "1GB", timeout = "5s" } # one line',
            ],
        ),
        (Edit(("functions", "b", "labels", "tier"), "gold"), ['+ tier = "gold"']),
        (Edit(("functions", "b", "memory"), "1GB"), ["+ ", "+ [functions.b]", '+ memory = "1GB"']),
        (Edit(("functions", "new", "memory"), "1GB"), ["+ ", "+ [functions.new]", '+ memory = "1GB"']),
        (
            Edit(("functions", "b", "secrets", 0), {"environment_variable": "TOKEN", "key": "k2", "name": "n"}),
            ['- key = "k"', '- id = "e6q"', '+ key = "k2"', '+ name = "n"'],
        ),
        (Edit(("functions", "b", "secrets", 0, "key"), "other"), ['- key = "k"', '+ key = "other"']),
        (
            Edit(("functions", "b", "secrets"), {"environment_variable": "X", "key": "y"}, adds=True),
            ["+ ", "+ [[functions.b.secrets]]", '+ environment_variable = "X"', '+ key = "y"'],
        ),
        (Edit(("functions", "b", "labels"), REMOVED), ["- [functions.b.labels]", '- team = "x"']),
        (
            Edit(("functions", "a", "secrets"), {"environment_variable": "X"}, adds=True),
            ['+   secrets = [{ environment_variable = "X" }]'],
        ),
        (Edit(("functions", "a", "labels", "team"), "x"), ['+   labels = { team = "x" }']),
    ],
)  # fmt: skip
def test_one_change_touches_its_own_lines(edit: Edit, lines: list[str]) -> None:
    for text in (TEXT, TEXT.replace("\n", "\r\n")):
        made = edited(text, [edit])
        assert sorted(changed(text.replace("\r", ""), made.replace("\r", ""))) == sorted(lines)
        assert ("\r\n" in made) == ("\r\n" in text)
        assert made.count("\r") == (made.count("\n") if "\r" in text else 0)


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (Edit(("functions", "dotted", "timeout"), "5s"), ['+ dotted.timeout = "5s"']),
        (Edit(("functions", "dotted", "log", "group_id"), "g"), ['+ dotted.log.group_id = "g"']),
        (Edit(("functions", "dotted", "log"), REMOVED), ['- dotted.log.min_level = "WARN"  # log']),
    ],
)
def test_dotted_keys_stay_dotted(edit: Edit, lines: list[str]) -> None:
    assert changed(DOTTED, edited(DOTTED, [edit])) == lines


def test_many_changes_of_one_place_at_once() -> None:
    edits = [
        Edit(("functions", "a", "environment", "A"), "1"),
        Edit(("functions", "a", "environment", "LEVEL"), REMOVED),
        Edit(("functions", "a", "labels", "team"), "x"),
        Edit(("functions", "a", "labels", "tier"), "y"),
        Edit(("functions", "new", "labels", "team"), "x"),
        Edit(("functions", "new", "labels", "tier"), "y"),
        Edit(("functions", "new", "memory"), "1GB"),
        Edit(("functions", "a", "without", 0), REMOVED),
        Edit(("functions", "a", "without", 1), REMOVED),
        Edit(("functions", "a", "without"), "log", adds=True),
        Edit(("defaults", "memory"), "256MB"),
    ]
    read = tomllib.loads(edited(TEXT, edits))
    assert read["functions"]["a"]["environment"] == {"KEEP": "1", "A": "1"}
    assert read["functions"]["a"]["labels"] == {"team": "x", "tier": "y"}
    assert read["functions"]["a"]["without"] == ["log"]
    assert read["functions"]["new"] == {"labels": {"team": "x", "tier": "y"}, "memory": "1GB"}
    assert read["defaults"] == {"memory": "256MB"}


@pytest.mark.parametrize("text", ['functions = { a = { memory = "1GB" } }', '[functions.a]\nmemory = "1GB"', "", "# c"])
def test_files_that_end_anywhere(text: str) -> None:
    made = edited(text, [Edit(("functions", "a", "timeout"), "5s")])
    assert tomllib.loads(made)["functions"]["a"]["timeout"] == "5s"


def test_a_text_that_would_say_something_else_is_refused() -> None:
    text = '[[functions.a.secrets]]\nkey = "a"\n[functions.a.secrets.x]\ny = 1\n'
    with pytest.raises(UneditableError):
        edited(text, [Edit(("functions", "a", "secrets", 0), {"key": "b"})])


KEYS = st.sampled_from(["memory", "timeout", "log", "labels", "a b"])
VALUES: Any = st.sampled_from(["x", 'q"', 1, True, ["a"], {"k": "v"}])
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, dict[str, Any]]]:
    """Draw a text in any of the forms that a table can have."""
    tables = {name: draw(TABLES) for name in draw(st.sets(st.sampled_from(["a", "b", "c-d"]), min_size=1))}
    inline, sections = ["[functions]"], list[str]()
    for name, table in tables.items():
        way = draw(st.sampled_from(["inline", "section", "dotted", "nested"]))
        if way == "inline":
            inline.append(f"{toml_key(name)} = {toml_value(table)}  # c")
        elif way == "dotted" and table:
            inline += [
                f"{toml_key(name)}.{toml_key(key)} = {toml_value(value)} # {key}" for key, value in table.items()
            ]
        else:
            nested = {key for key, value in table.items() if way == "nested" and isinstance(value, dict)}
            sections += ["", f"# of {name}", f"[functions.{toml_key(name)}]  # h"]
            sections += [f"{toml_key(key)} = {toml_value(v)}  # k" for key, v in table.items() if key not in nested]
            for key in nested:
                sections += [f"[functions.{toml_key(name)}.{toml_key(key)}]"]
                sections += [f"{toml_key(inner)} = {toml_value(v)}" for inner, v in table[key].items()]
    return "\n".join([*inline, *sections, "# the end"]) + draw(st.sampled_from(["", "\n"])), tables


@given(documents(), st.data())
@hypothesis_settings(max_examples=60, deadline=None)
def test_whatever_a_text_looks_like_the_changes_are_all_that_changes(
    drawn: tuple[str, dict[str, dict[str, Any]]], data: st.DataObject
) -> None:
    text, tables = drawn
    edits = []
    for name in tables:
        for key in data.draw(st.sets(KEYS, max_size=2)):
            gone = key in tables[name] and data.draw(st.booleans())
            inside = isinstance(tables[name].get(key), dict) and data.draw(st.booleans())
            path = ("functions", name, key, "k") if inside else ("functions", name, key)
            isdict = isinstance(tables[name].get(key), dict) and not inside
            edits.append(Edit(path, REMOVED if gone or isdict else "new"))
    made = edited(text, edits)  # which has compared it with the tables itself
    touched = sum(line[:1] in "+-" for line in ndiff(text.splitlines(), made.splitlines()))
    assert touched <= 6 * len(edits)
    assert "# the end" in made
