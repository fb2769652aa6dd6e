"""Functions in few lines: distributed values merge to the same functions without `without`, in any order."""

from __future__ import annotations

import random
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.manifest.writing.compact import Compacted, compacted
from orchestrator.manifest.writing.document import FunctionEntry, document

SECRETS = [{"environment_variable": name, "key": "k", "id": f"id-{name}"} for name in ("A", "B")]
TABLES = st.fixed_dictionaries(
    {"runtime": st.sampled_from(["python312", "nodejs22"]), "memory": st.sampled_from(["128MB", "256MB"])},
    optional={
        "service_account": st.sampled_from(["a", "b"]),
        "environment": st.dictionaries(st.sampled_from("ABC"), st.sampled_from(["1", "2"]), min_size=1),
        "log": st.sampled_from([{"group_id": "g"}, {"folder_id": "f", "min_level": "WARN"}, {"disabled": True}]),
        "secrets": st.sampled_from([SECRETS, SECRETS[:1]]),
        "tags": st.sampled_from([["a"], ["a", "b"]]),
        "async_invocation": st.sampled_from([{}, {"retries": 2}, {"retries": 3, "success": {"queue_arn": "q"}}]),
    },
)


def together(made: Compacted, key: str) -> dict[str, Any]:
    """Merge the tables as the reference describes it."""
    own = dict(made.own[key])
    layers = [made.defaults, *(made.templates[name] for name in own.pop("use", [])), own]
    found: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if isinstance(value, dict):
                others = {"group_id": "folder_id", "folder_id": "group_id"} if name == "log" else {}
                gone = {others.get(one) for one in value} - value.keys()
                below = {one: item for one, item in found.get(name, {}).items() if one not in gone}
                found[name] = below | value
            elif name == "secrets":
                by_name = {one["environment_variable"]: one for one in (*found.get(name, []), *value)}
                found[name] = list(by_name.values())
            else:
                found[name] = value
    return found


def plain(values: dict[str, Any]) -> dict[str, Any]:
    secrets = sorted(values.get("secrets", []), key=lambda one: one["environment_variable"])
    return values | ({"secrets": secrets} if secrets else {})


@given(st.lists(TABLES, min_size=1, max_size=12))
def test_what_is_shared_out_comes_together_again(tables: list[dict[str, Any]]) -> None:
    functions = {f"f{number}": table for number, table in enumerate(tables)}
    made = compacted(functions)
    for key, table in functions.items():
        assert plain(together(made, key)) == plain(table)
    assert "without" not in repr(made)


def team(number: int) -> dict[str, Any]:
    name = ("auth", "billing", "media")[number % 3]
    return {
        "version_id": "$latest", "runtime": "python312", "memory": "128MB", "timeout": "10s",
        "service_account": name, "environment": {"TEAM": name, "LEVEL": "info"}, "labels": {"team": name},
        "entrypoint": f"{name}.main",
    }  # fmt: skip


def test_common_values_become_defaults_and_groups_templates() -> None:
    made = compacted({f"{team(number)['service_account']}-{number}": team(number) for number in range(30)})
    assert made.defaults == {
        "version_id": "$latest", "runtime": "python312", "memory": "128MB", "timeout": "10s",
        "environment": {"LEVEL": "info"},
    }  # fmt: skip
    assert {*made.templates} == {"auth", "billing", "media"}
    assert made.templates["auth"] == {
        "service_account": "auth", "environment": {"TEAM": "auth"}, "labels": {"team": "auth"},
        "entrypoint": "auth.main",
    }  # fmt: skip
    assert made.own["auth-0"] == {"use": ["auth"]}


def test_what_only_most_functions_have_is_no_default() -> None:
    functions: dict[str, dict[str, Any]] = {f"f{n}": {"runtime": "r", "concurrency": 2} for n in range(9)}
    made = compacted({**functions, "g": {"runtime": "r"}})
    assert made.defaults == {"runtime": "r"}


def test_functions_that_say_the_same_are_one_table() -> None:
    entries = [FunctionEntry(f"fn-{number:02d}", "folder", team(number)) for number in range(30)]
    noted = FunctionEntry("odd-one", "folder", team(0), notes=("why",))
    text = document([*entries, noted], cloud={"folder_id": "folder"})
    read = tomllib.loads(text)
    assert {len(table["names"]) for table in read["each"].values()} == {10}
    assert read["functions"] == {"odd-one": {"use": [next(iter(read["templates"]))]}} or "odd-one" in read["functions"]
    assert "# why\nodd-one" in text


def test_the_order_of_functions_tells_nothing() -> None:
    entries = [FunctionEntry(f"f{number:02d}", f"folder{number % 2}", team(number)) for number in range(30)]
    text = document(entries, cloud={})
    random.Random(1).shuffle(entries)
    assert document(entries, cloud={}) == text
