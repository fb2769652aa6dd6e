"""`ignore` and `settings = "live"` in a manifest: layers, names, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ManifestError
from orchestrator.manifest.lists import LISTS
from orchestrator.manifest.tables import FunctionTable
from orchestrator.model import NONE_LEFT, Settings
from orchestrator.version.fields import FIELDS
from tests.unit.manifest.test_tables import HEAD, loaded

FUN = '[functions.fun]\nsource = "."\n'


def names(tmp_path: Path, text: str) -> set[str]:
    return {*loaded(tmp_path, text).functions["fun"].as_live.names}


def test_names_are_those_of_the_manifest_and_add_up_through_the_tables(tmp_path: Path) -> None:
    text = f'{HEAD}ignore = ["memory"]\n[templates.t]\nignore = ["timeout", "labels.team"]\n{FUN}use = ["t"]\n'
    own = 'ignore = ["environment.LEVEL", "service_account", "mounts", "tags.blue", "function_description"]\n'
    own += 'tags = ["blue"]\n'
    found = {"memory_bytes", "execution_timeout_s", "labels.team"}
    assert names(tmp_path, text) == found
    assert names(tmp_path, text + own) == found | {
        "environment.LEVEL", "secrets.LEVEL", "service_account_id", "mounts", "storage_mounts", "tags.blue",
        "function_description",
    }  # fmt: skip
    less = 'without = ["ignore.labels.team", "ignore.memory"]\n'
    assert names(tmp_path, text + less) == {"execution_timeout_s"}
    assert loaded(tmp_path, f'{text}without = ["ignore"]\n').functions["fun"].as_live is NONE_LEFT
    assert LISTS["functions.ignore"].adds


def test_every_key_can_be_left_as_it_is_live_or_says_why_not(tmp_path: Path) -> None:
    rows = {row.key for row in FIELDS} - {"storage_mounts"}
    for key in FunctionTable.model_fields:
        text = f'{HEAD}{FUN}ignore = ["{key}"]\n'
        if key in rows | {"service_account", "tags", "labels", "function_description", "scaling", "public"}:
            assert names(tmp_path, text)
        else:
            assert mistake(tmp_path, text).startswith("functions.fun.ignore[0]: ")


def mistake(tmp_path: Path, text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        loaded(tmp_path, text)
    (one,) = caught.value.mistakes
    assert one.line > 0
    return f"{one.key}: {one.rule}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("memroy", '"memroy" does not begin with a key of a function; did you mean "memory"?'),
        ("log.min_level", 'log can only be left as it is live as a whole: use "log"'),
        ("public.role", 'use "public"'),
        ("environment.", '"environment." needs a name after the dot'),
        ("environment.A.B", '"A.B" cannot be the name of an entry of environment'),
        ("secrets.1", '"1" cannot be the name of an entry of secrets'),
        ("tags.Blue", '"Blue" cannot be the name of an entry of tags'),
        ("labels.Team", '"Team" cannot be the name of an entry of labels'),
        ("scaling.$older", '"$older" cannot be the name of an entry of scaling'),
        ("mounts.a/b", '"a/b" cannot be the name of an entry of mounts'),
        ("named_service_accounts.a b", '"a b" cannot be the name of an entry of named_service_accounts'),
        ("source", "source is about the code, which must be declared;"),
        ("name", "name identifies the function, so it cannot be ignored"),
        ("verify", "verify is not a setting in the cloud"),
        ("storage_mounts", 'use "mounts"'),
    ],
)
def test_what_cannot_be_left_as_it_is_live_is_a_mistake(tmp_path: Path, name: str, said: str) -> None:
    assert said in mistake(tmp_path, f'{HEAD}{FUN}ignore = ["{name}"]\n')
    assert said in mistake(tmp_path, f'{HEAD}ignore = ["{name}"]\n{FUN}').replace("defaults", "")


def test_code_alone_needs_no_settings_and_takes_none_from_farther_tables(tmp_path: Path) -> None:
    text = f'{HEAD}create = true\nlog = {{ min_level = "WARN" }}\n{FUN}settings = "live"\ntags = ["blue"]\n'
    for given in (text, f'[cloud]\nfolder_id = "b1g"\n{FUN}settings = "live"\ntags = ["blue"]\n'):
        fun = loaded(tmp_path, given).functions["fun"]
        assert fun.settings == Settings("", "", 0, tags=("blue",))
        assert (fun.create, fun.as_live.whole) == (False, True)
        assert {row.setting for row in FIELDS} == fun.as_live.names


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('memory = "1GB"', 'functions.fun.memory: is not allowed with settings = "live"'),
        ('environment = { A = "1" }', 'functions.fun.environment: is not allowed with settings = "live"'),
        ("create = true", "a new function has no live settings to keep"),
        ('ignore = ["memory"]', '"memory" is already left as it is live by settings = "live"'),
    ],
)
def test_what_stands_beside_code_alone_is_a_mistake(tmp_path: Path, line: str, said: str) -> None:
    assert said in mistake(tmp_path, f'{HEAD}{FUN}settings = "live"\n{line}\n')
    inherited = f'{HEAD}[templates.t]\nsettings = "live"\n{FUN}use = ["t"]\n{line}\n'
    assert said in mistake(tmp_path, inherited)


def test_code_alone_leaves_out_the_names_of_farther_tables(tmp_path: Path) -> None:
    own = 'settings = "live"\nignore = ["labels.tier"]\nlabels.tier = "a"\n'
    text = f'{HEAD}ignore = ["memory", "labels.team"]\n{FUN}{own}'
    assert {"labels.team", "labels.tier", "memory_bytes"} <= names(tmp_path, text)


OWN = 'tags = ["blue"]\nlabels = { team = "a" }\nscaling = { "$latest" = { provisioned = 1 } }\n'


@pytest.mark.parametrize(
    ("name", "near"),
    [("tags.bleu", "blue"), ("labels.taem", "team"), ("scaling.stable", ""), ("labels.x", "")],
)
def test_an_entry_that_would_be_left_anyway_is_a_mistake_where_only_this_function_says_it(
    tmp_path: Path, name: str, near: str
) -> None:
    said = f'"{name}" is not declared here, so it is left as it is anyway'
    said += f'; did you mean "{near}"?' if near else ""
    assert mistake(tmp_path, f'{HEAD}{FUN}{OWN}ignore = ["{name}"]\n').endswith(said)
    assert name in names(tmp_path, f'{HEAD}ignore = ["{name}"]\n{FUN}{OWN}')  # others may declare it
    exact = "labels_exact = true\nscaling_exact = true\n"
    if not name.startswith("tags"):
        assert name in names(tmp_path, f'{HEAD}{FUN}{OWN}{exact}ignore = ["{name}"]\n')


def test_a_variable_of_others_need_not_be_declared(tmp_path: Path) -> None:
    """Otherwise a new version would remove it."""
    assert "environment.THEIRS" in names(tmp_path, f'{HEAD}{FUN}ignore = ["environment.THEIRS"]\n')
