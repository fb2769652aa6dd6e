"""How defaults, templates and a function's own table are merged: lists by their rules, `without`, and the places of
mistakes in merged values.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from orchestrator.manifest.file_tables import EachTable, JobTable, ManifestFile
from orchestrator.manifest.lists import LISTS
from orchestrator.manifest.merge import merge
from orchestrator.manifest.notify.notify_tables import NotifyTable
from orchestrator.manifest.rollout.rollout_tables import RolloutTable
from orchestrator.manifest.tables import FunctionTable, SecretTable
from orchestrator.model import Connectivity, FunctionSpec, SourceCode
from orchestrator.package import archive
from tests.unit.manifest.test_tables import HEAD, loaded, mistakes, only


def lists_of(model: type[BaseModel], path: str) -> Iterator[str]:
    """Yield the keys of a table, and of the tables in it, that are lists."""
    for name, field in model.model_fields.items():
        key = f"{path}{field.alias or name}"
        for annotation in _parts(field.annotation):
            if typing.get_origin(annotation) is list:
                yield key
            elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from lists_of(annotation, f"{key}.")


def _parts(annotation: Any) -> list[Any]:
    """Return a type without `| None` and `Annotated`."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _parts(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return [part for arg in typing.get_args(annotation) for part in _parts(arg)]
    return [annotation]


def test_every_list_has_a_rule() -> None:
    tables: dict[type[BaseModel], str] = {
        FunctionTable: "functions.",
        RolloutTable: "rollout.",
        JobTable: "jobs.",
        EachTable: "each.",
        NotifyTable: "notify.",
        ManifestFile: "",
    }
    found = {key for model, path in tables.items() for key in lists_of(model, path)}
    again = {key for key in found if key.startswith(("defaults.", "jobs.rollout."))}  # the same tables, elsewhere
    again |= {key for key in found if key.startswith("each.") and f"functions.{key[5:]}" in found} | {"each.folders"}
    assert found - again == set(LISTS)


def secret(variable: str, id_: str = "e") -> str:
    return f'{{ environment_variable = "{variable}", id = "{id_}", key = "k" }}'


def three(defaults: str, template: str, own: str) -> str:
    code = "" if "source" in defaults + template + own else 'version_id = "x"\n'
    return f'{HEAD}{defaults}\n[templates.t]\n{template}\n[functions.fun]\nuse = ["t"]\n{code}{own}\n'


def secrets_of(spec: FunctionSpec) -> list[tuple[str, str | None]]:
    return [(secret.environment_variable, secret.id) for secret in spec.settings.secrets]


def test_secrets_merge_by_variable_in_the_order_of_the_farther_table(tmp_path: Path) -> None:
    text = three(
        f"secrets = [{secret('A', 'd')}, {secret('B', 'd')}]",
        f"secrets = [{secret('C', 't')}]",
        f"secrets = [{secret('D', 'f')}, {secret('A', 'f')}]",
    )
    assert secrets_of(only(tmp_path, text)) == [("A", "f"), ("B", "d"), ("C", "t"), ("D", "f")]


def test_mounts_merge_by_name(tmp_path: Path) -> None:
    text = three(
        'mounts = [{ name = "data", bucket = "aaa" }, { name = "tmp", disk_size = "1GB" }]',
        "",
        'mounts = [{ name = "more", bucket = "ccc" }, { name = "data", bucket = "bbb", mode = "read_only" }]',
    )
    mounts = [(mount.name, mount.bucket, mount.mode) for mount in only(tmp_path, text).settings.mounts]
    assert mounts == [("data", "bbb", "read_only"), ("tmp", None, None), ("more", "ccc", None)]


def test_older_mounts_merge_by_name_too(tmp_path: Path) -> None:
    text = three(
        'storage_mounts = [{ name = "a", bucket = "aaa" }]', "", 'storage_mounts = [{ name = "b", bucket = "bbb" }]'
    )
    assert [mount.name for mount in only(tmp_path, text).settings.storage_mounts] == ["a", "b"]


def test_tags_include_and_subnets_replace(tmp_path: Path) -> None:
    text = three(
        'tags = ["a"]\nconnectivity = { network_id = "n", subnet_ids = ["x"] }\ninclude = ["a/"]',
        "",
        'source = "."\ntags = ["b"]\nconnectivity = { subnet_ids = ["y"] }\ninclude = ["b/"]',
    )
    spec = only(tmp_path, text)
    assert spec.settings.tags == ("b",)
    assert spec.settings.connectivity == Connectivity("n", ("y",))
    assert isinstance(spec.code, SourceCode)
    assert spec.code.include == ("b/",)


def test_exclude_adds_up_and_an_exclamation_mark_brings_back(tmp_path: Path) -> None:
    for name in ("index.py", "README.md", "notes.md", "test_a.py"):
        (tmp_path / name).touch()
    text = three('exclude = ["*.md", "*.toml"]', 'exclude = ["test_*"]', 'source = "."\nexclude = ["!README.md"]')
    code = only(tmp_path, text).code
    assert isinstance(code, SourceCode)
    assert code.exclude == ("*.md", "*.toml", "test_*", "!README.md")
    assert sorted(archive.scan(code, lambda: None).paths) == ["README.md", "index.py"]


def test_an_empty_list_takes_nothing_away_from_one_that_merges(tmp_path: Path) -> None:
    text = three(f"secrets = [{secret('A')}]\ntags = ['a']", "", "secrets = []\ntags = []")
    spec = only(tmp_path, text)
    assert (secrets_of(spec), spec.settings.tags) == ([("A", "e")], ())


DEFAULTS = f"""
environment = {{ A = "1", B = "2" }}
secrets = [{secret("S")}, {secret("T")}]
mounts = [{{ name = "data", bucket = "bbb" }}]
labels = {{ "team.name" = "x", ring = "1" }}
tags = ["a", "b"]
exclude = ["*.md", "*.txt"]
description = "inherited"
log = {{ group_id = "ckg", min_level = "INFO" }}
source = "."
"""
TAKEN: dict[str, Callable[[Any], bool]] = {
    "environment.A": lambda spec: spec.settings.environment == {"B": "2"},
    "environment": lambda spec: spec.settings.environment == {},
    "secrets.S": lambda spec: secrets_of(spec) == [("T", "e")],
    "secrets": lambda spec: secrets_of(spec) == [],
    "mounts.data": lambda spec: spec.settings.mounts == (),
    "labels.team.name": lambda spec: spec.labels == {"ring": "1"},
    "tags.a": lambda spec: spec.settings.tags == ("b",),
    "exclude.*.md": lambda spec: spec.code.exclude == ("*.txt",),
    "description": lambda spec: spec.settings.description == "",
    "log": lambda spec: spec.settings.log is None,
    "log.group_id": lambda spec: spec.settings.log.group_id is None and spec.settings.log.min_level == "INFO",
}


@pytest.mark.parametrize("path", TAKEN)
def test_without_takes_an_inherited_value_away(tmp_path: Path, path: str) -> None:
    assert not TAKEN[path](only(tmp_path, three(DEFAULTS, "", "")))
    assert TAKEN[path](only(tmp_path, three(DEFAULTS, "", f'without = ["{path}"]')))
    assert TAKEN[path](only(tmp_path, three(DEFAULTS, f'without = ["{path}"]', "")))


def test_what_is_taken_away_may_come_again(tmp_path: Path) -> None:
    text = three(DEFAULTS, 'without = ["environment.A"]', 'environment = { A = "own" }')
    assert only(tmp_path, text).settings.environment == {"A": "own", "B": "2"}
    text = three(DEFAULTS, "", 'without = ["environment", "secrets"]\nenvironment = { C = "3" }')
    spec = only(tmp_path, text)
    assert (spec.settings.environment, secrets_of(spec)) == ({"C": "3"}, [])


def test_a_variable_may_become_a_secret_and_back(tmp_path: Path) -> None:
    own = f'without = ["environment.A", "secrets.S"]\nsecrets = [{secret("A")}]\nenvironment = {{ S = "plain" }}'
    spec = only(tmp_path, three(DEFAULTS, "", own))
    assert (spec.settings.environment, secrets_of(spec)) == ({"B": "2", "S": "plain"}, [("T", "e"), ("A", "e")])


IN_VAIN = [
    ('without = ["secrets.SS"]', 'not inherited here, so it cannot be removed; did you mean "secrets.S"?'),
    ('without = ["enviroment.A"]', 'does not begin with a key that can be inherited; did you mean "environment"?'),
    ('without = ["environment.A.B"]', "is not inherited here"),
    ('without = ["memory.x"]', "is not inherited here"),
    ('without = ["concurrency"]', "is not inherited here"),
    ('without = ["use"]', "does not begin with a key"),
    ('without = ["without"]', "does not begin with a key"),
    ('without = [""]', "must not be empty"),
    ('without = ["environment.A"]\nenvironment = { A = "own" }', "is set in this table too"),
    (f"without = ['secrets.S']\nsecrets = [{secret('S')}]", "is set in this table too"),
    ('without = ["description"]\ndescription = "own"', "is set in this table too"),
    ('without = ["tags"]\ntags = ["own"]', "is set in this table too"),
]  # fmt: skip


@pytest.mark.parametrize(("own", "rule"), IN_VAIN)
def test_what_without_names_in_vain_is_a_mistake(tmp_path: Path, own: str, rule: str) -> None:
    (found,) = mistakes(tmp_path, three(DEFAULTS, "", own))
    assert found.key == "functions.fun.without[0]"
    assert rule in found.rule


def test_a_template_that_takes_away_what_one_function_does_not_inherit(tmp_path: Path) -> None:
    text = three("", 'without = ["environment.A"]', "") + '[functions.other]\nversion_id = "x"\n'
    (found,) = mistakes(tmp_path, text)
    assert (found.key, found.rule[-14:]) == ("templates.t.without[0]", "(concerns fun)")


def test_nothing_is_said_of_what_is_wrong_where_it_is_inherited_from(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, three("timeout = 'soon'", "", 'without = ["timeout"]'))
    assert found.key == "defaults.timeout"


# defaults, template, own table, and the only mistake: its key and line are those of the table with the entry
PLACES = [
    ("secrets = [{A}, {NO_ID}]", "", "secrets = [{B}]", "defaults.secrets[1]"),
    ("secrets = [{A}]", "", "secrets = [{B}, {A}, {NO_ID}]", "functions.fun.secrets[2]"),
    ("secrets = [{A}]", "secrets = [{B}, {B}]", "", "templates.t.secrets[1].environment_variable"),
    ("secrets = [{A}]", "", "secrets = [{A}, {A}]", "functions.fun.secrets[1].environment_variable"),
    ("secrets = [{A}]", "", "environment = {{ A = 'x' }}", "defaults.secrets[0].environment_variable"),
    ("mounts = [{M}]", "", "mounts = [{BAD_M}, {M}]", "functions.fun.mounts[0]"),
    ("mounts = [{M}]", "", "storage_mounts = [{OLD_M}]", "functions.fun.storage_mounts[0].name"),
]  # fmt: skip


@pytest.mark.parametrize(("defaults", "template", "own", "key"), PLACES)
def test_a_mistake_stands_where_its_entry_is_written(
    tmp_path: Path, defaults: str, template: str, own: str, key: str
) -> None:
    parts = {
        "A": secret("A"), "B": secret("B"), "NO_ID": '{ environment_variable = "C", key = "k" }',
        "M": '{ name = "m", bucket = "bbb" }', "BAD_M": '{ name = "n" }', "OLD_M": '{ name = "m", bucket = "ccc" }',
    }  # fmt: skip
    defaults, template, own = (text.format(**parts) for text in (defaults, template, own))
    (found,) = mistakes(tmp_path, three(defaults, template, own))
    assert found.key == key
    assert found.rule.endswith(" (concerns fun)") == (not key.startswith("functions"))


def test_two_functions_do_not_share_what_one_takes_away(tmp_path: Path) -> None:
    text = three(DEFAULTS, "", 'without = ["environment.A", "secrets"]') + '[functions.other]\nuse = ["t"]\n'
    fun, other = loaded(tmp_path, text).functions.values()
    assert (fun.settings.environment, other.settings.environment) == ({"B": "2"}, {"A": "1", "B": "2"})
    assert (secrets_of(fun), secrets_of(other)) == ([], [("S", "e"), ("T", "e")])


NAMES = st.sampled_from(["A", "B", "C", "D"])
TABLES = st.tuples(st.dictionaries(NAMES, st.integers(0, 9)), st.sets(NAMES))  # what it sets, what it removes


@given(st.lists(TABLES, max_size=4))
def test_layers_come_together_as_dictionaries_do(tables: list[tuple[dict[str, int], set[str]]]) -> None:
    """A list that merges by a key, and a table, act as one dictionary: the farther order, the nearer values."""
    layers, expected = list[dict[str, Any]](), dict[str, int]()
    for given_here, taken in tables:
        secrets = [
            SecretTable(environment_variable=name, key=str(number), id="e") for name, number in given_here.items()
        ]
        environment = {name: str(number) for name, number in given_here.items()}
        layers.append(
            {
                "without": [f"{key}.{name}" for name in taken for key in ("secrets", "environment")],
                "secrets": secrets,
                "environment": environment,
            }
        )
        expected = {name: number for name, number in expected.items() if name not in taken} | given_here
    copies = [{key: type(value)(value) for key, value in layer.items()} for layer in layers]
    merged = merge(layers)
    assert [(one.environment_variable, int(one.key)) for one in merged.get("secrets", [])] == list(expected.items())
    assert {name: int(value) for name, value in merged.get("environment", {}).items()} == expected
    assert layers == copies, "tables are shared by functions: merging must not change them"


LAYER = st.fixed_dictionaries(
    {},
    optional={
        "environment": st.dictionaries(NAMES, st.sampled_from("123"), max_size=3),
        "log": st.sampled_from([{"group_id": "g"}, {"folder_id": "f"}, {"min_level": "INFO"}]),
        "verify": st.sampled_from([{"payload": 1}, {"expect": 1}, {"http": 1}, {"attempts": 2}, {"command": ["x"]}]),
        "secrets": st.lists(NAMES, unique=True, max_size=3).map(
            lambda names: [SecretTable(environment_variable=name, key="k", id="e") for name in names]
        ),
        "exclude": st.lists(NAMES, max_size=2),
        "tags": st.lists(NAMES, min_size=1, max_size=2),
        "source": st.just("s"),
        "version_id": st.just("v"),
        "memory": st.integers(1, 3),
    },
)


@given(st.lists(LAYER, min_size=3, max_size=5), st.data())
def test_layers_may_be_put_together_in_any_grouping(layers: list[dict[str, Any]], data: st.DataObject) -> None:
    """Merge as the docs describe it for layers without `without`."""
    cut = data.draw(st.integers(1, len(layers) - 1))
    grouped = merge([merge(layers[:cut]), merge(layers[cut:])])
    assert grouped == merge(layers)
