from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.manifest.locate import KeyPath, lines, nearest, table_lines

TEXT = '''# a comment with = and [brackets]
top = 1
"quoted key" = 'x' # and # more
'lit.eral' = """
[not.a.table]
a = "" """""

dotted . key."with dot" = { a = 1, b = { c = [1,
  2, # two
  { d = "]}," },
] } }
[functions.one]
when = 1979-05-27 07:32:00
list = [
  "a, b",
  \'\'\'c
  \'\'\',
  [ "d" ],
]
[ functions . "two three" ]
[functions.four.environment]
A = "x\\"="
[[products]]
name = "a"
[[products]]
name = "b"
[products.sub]
x = 1
[[products.parts]]
y = 2
[functions.four]
last = "\\u0041"
"\\u0041b" = 0'''

EXPECTED: list[tuple[KeyPath, int]] = [
    (("top",), 2),
    (("quoted key",), 3),
    (("lit.eral",), 4),
    (("dotted",), 8),
    (("dotted", "key", "with dot", "a"), 8),
    (("dotted", "key", "with dot", "b", "c"), 8),
    (("dotted", "key", "with dot", "b", "c", 1), 9),
    (("dotted", "key", "with dot", "b", "c", 2, "d"), 10),
    (("functions",), 12),
    (("functions", "one"), 12),
    (("functions", "one", "when"), 13),
    (("functions", "one", "list", 0), 15),
    (("functions", "one", "list", 1), 16),
    (("functions", "one", "list", 2, 0), 18),
    (("functions", "two three"), 20),
    (("functions", "four", "environment", "A"), 22),
    (("products",), 23),
    (("products", 0, "name"), 24),
    (("products", 1), 25),
    (("products", 1, "name"), 26),
    (("products", 1, "sub", "x"), 28),
    (("products", 1, "parts", 0, "y"), 30),
    (("functions", "four"), 31),
    (("functions", "four", "last"), 32),
    (("functions", "four", "Ab"), 33),
]


@pytest.mark.parametrize(("path", "line"), EXPECTED)
def test_each_key_has_its_line(path: KeyPath, line: int) -> None:
    assert lines(TEXT)[path] == line


def test_the_example_is_toml_and_every_key_of_it_is_found() -> None:
    assert set(paths(tomllib.loads(TEXT))) <= lines(TEXT).keys()


def test_a_key_that_is_not_there_stands_at_the_table_around_it() -> None:
    found = lines(TEXT)
    assert nearest(found, ("functions", "one", "memory")) == 12
    assert nearest(found, ("nowhere",)) == 0


def test_table_headers_are_found_fast() -> None:
    text = "[functions.a]\nx = 1\n\n  [ jobs . 'b c' ] # x\n[functions.\"d\"]\n[functions.a.log]\n[cloud]"
    assert table_lines(text) == {("functions", "a"): 1, ("jobs", "b c"): 4, ("functions", "d"): 5}


def test_what_only_looks_like_a_header_is_no_header() -> None:
    assert table_lines("a = '''\n[functions.a]\n'''\n[functions.a]") == {}
    assert lines("a = '''\n[functions.a]\n'''\n[functions.a]")["functions", "a"] == 4


def paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    found = [path] if path else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found += paths(child, (*path, key))
    return found


KEYS = st.sampled_from(["a", "b", "c-1", '"d e"', "'f.g'", '"h\\n\\""', '""'])
SCALARS = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        "2027-03-01",
        "07:32:00",
        '"x # y"',
        "'[z]'",
        '"""\n a\\\n  """',
        "'''\n]\n'''",
        '""""a"" """""',
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # x\n".join(items) + "\n]"),
        st.lists(st.tuples(KEYS, inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"
        ),
    ),
    max_leaves=6,
)
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
STATEMENTS = st.one_of(
    st.builds("{} = {}".format, DOTTED, VALUES), st.builds("[{}]".format, DOTTED), st.builds("[[{}]]".format, DOTTED)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STATEMENTS, max_size=8).map("\n".join))
def test_every_key_of_any_toml_is_found(text: str) -> None:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    found = lines(text)
    assert set(paths(tables)) <= found.keys()
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
