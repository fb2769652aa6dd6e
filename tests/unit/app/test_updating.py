"""`import --update`: the live state is written into the manifest, and nothing else in it changes."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.app.session.importing.entries import KnownNames
from orchestrator.app.session.importing.update import left_words
from orchestrator.app.session.importing.updating import (
    FileChange,
    Rewriting,
    changed_files,
    job_slots,
    live_slots,
    rewriting,
    write_all,
    write_slots,
)
from orchestrator.errors import StartError
from orchestrator.function.access import ROLE
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import survey
from orchestrator.manifest.writing.editing import REMOVED
from orchestrator.model import Action, Function, LogOptions, Secret, Settings, Version
from tests.builders import settings
from tests.live import found_in, imported, live_function, live_state, no_secret, planned_from
from tests.long import LONG
from tests.settings import any_settings


def updated(
    folder: Path,
    text: str,
    functions: Sequence[tuple[Function, Version]],
    names: KnownNames | None = None,
    environment: str = "",
) -> tuple[Rewriting, str]:
    """Write the live state into a manifest that has only IDs."""
    path = folder / "deploy.toml"
    path.write_text(text, "utf-8")
    found = survey(path, {"LEVEL": "info"}, choice=ManifestChoice(environment))
    assert found.mistakes == ()
    made = rewriting(found)
    for one in found_in(live_state(functions)):
        spec = found.manifest.functions[one.key]
        slots, left = live_slots(spec, one)
        made.left += left
        write_slots(made, one.key, slots, spec, names or KnownNames(), no_secret)
    write_all(changed_files(made, shared=False))
    return made, path.read_text("utf-8")


def check(before: list[Settings], after: list[Settings]) -> None:
    functions = [live_function(f"fn-{number}", one) for number, one in enumerate(before)]
    entries, text = imported(live_state(functions))
    if entries.variables or entries.notes:
        return
    tagged = [replace(one, tags=former.tags) for one, former in zip(after, before, strict=False)]  # tags are not ours
    now = [live_function(f"fn-{number}", one) for number, one in enumerate(tagged)]
    live = live_state([*now, *functions[len(now) :]])
    with TemporaryDirectory() as folder:
        made, reported = updated(Path(folder), text, [*now, *functions[len(now) :]])
        secrets = {
            name: str(version.raw["environment"][what.partition(" of ")[0].removeprefix("environment.")])
            for name, what in made.variables.items()
            for function, version in now
            if function.name == what.partition(" of ")[2]
        }
        plan = planned_from(Path(folder), reported, live, secrets)
    assert made.left == []
    assert {unit.action for unit in plan.units} <= {Action.UNCHANGED}, [unit.reason for unit in plan.units]


SOME = st.lists(any_settings(), min_size=1, max_size=3)


@given(SOME, SOME)
@hypothesis_settings(max_examples=10, deadline=None)
def test_a_plan_after_an_update_has_nothing_to_do(before: list[Settings], after: list[Settings]) -> None:
    check(before, after)


@LONG
@given(SOME, SOME)
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_plan_after_an_update_has_nothing_to_do_at_length(before: list[Settings], after: list[Settings]) -> None:
    check(before, after)


def test_what_a_removed_key_had_displaced_does_not_come_back() -> None:
    """Two functions log to one folder, which becomes a default; the group of the third one is removed."""
    folder, group = settings(log=LogOptions(folder_id="b1g")), settings(log=LogOptions(group_id="e23"))
    check([folder, group, folder], [folder, settings()])


OTHER_ROLE = "serverless.functions.invoker"
MANY = {"provisioned": 3, "zone_instances": 2, "zone_requests": 0}
HEAD = '[cloud]\nfolder_id = "folder"\n[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\n'
HEAD += 'memory = "128MB"\nversion_id = "$latest"\n'


def test_a_variable_is_not_written_over_in_silence(tmp_path: Path) -> None:
    text = HEAD + '[functions.one]\nenvironment = { LEVEL = "${LEVEL}" }\n'
    made, reported = updated(tmp_path, text, [live_function("one", settings(environment={"LEVEL": "debug"}))])
    assert reported == text
    assert [left_words(one).rpartition(" at ")[0] for one in made.left] == [
        "one.environment.LEVEL is skipped: it is written as a variable"
    ]


def test_a_secret_that_somebody_added_is_written_as_a_variable(tmp_path: Path) -> None:
    text = HEAD + '[functions.one]\n[functions.two]\nenvironment = { A = "x${LEVEL}" }\n'
    live = [
        live_function("one", settings(environment={"API_TOKEN": "hunter2hunter2"})),
        live_function("two", settings(environment={"API_TOKEN": "another", "A": "xinfo"})),
    ]
    made, reported = updated(tmp_path, text, live)
    assert "hunter2" not in reported
    assert "another" not in reported
    assert made.variables == {
        "API_TOKEN": "environment.API_TOKEN of one", "TWO_API_TOKEN": "environment.API_TOKEN of two",
    }  # fmt: skip
    assert 'API_TOKEN = "${TWO_API_TOKEN}"' in reported


def test_names_stand_for_ids(tmp_path: Path) -> None:
    secret = Secret("DB", "password", "e6qa", None, "e6qv")
    live = [live_function("one", settings(service_account_id="ajea", secrets=(secret,)))]
    names = KnownNames({("folder", "ajea"): "runner"}, {("folder", "e6qa"): "db"}, {"e6qa": "e6qv"})
    _, reported = updated(tmp_path, HEAD + '[functions.one]\nservice_account_id = "ajeb"  # who\n', live, names)
    assert 'service_account = "runner"' in reported
    assert "service_account_id" not in reported
    assert 'secrets = [{ environment_variable = "DB", key = "password", name = "db" }]' in reported


def test_labels_that_are_declared_follow_those_that_are_live(tmp_path: Path) -> None:
    text = HEAD + '[functions.one]\nlabels = { team = "a", tier = "b" }\nfunction_description = "old"\n'
    live = [live_function("one", settings(), labels={"team": "x", "other": "y"}, description="new")]
    _, reported = updated(tmp_path, text, live)
    assert (
        reported == HEAD + '[functions.one]\nlabels = { team = "x" }\nfunction_description = "new"\ntimeout = "10s"\n'
        or ('labels = { team = "x" }' in reported and 'function_description = "new"' in reported)
    )


def test_what_the_cloud_fills_in_is_not_written_for_a_function_with_a_source(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    text = HEAD.replace('version_id = "$latest"', 'source = "src"') + "[functions.one]\n"
    live = [
        live_function(
            "one", settings(memory_bytes=1 << 30, tmpfs_size_bytes=512 << 20, log=LogOptions(folder_id="folder"))
        )
    ]
    _, reported = updated(tmp_path, text, live)
    assert reported == text + 'memory = "1GB"\n'
    _, reported = updated(tmp_path, HEAD + "[functions.one]\n", live)
    assert 'tmpfs_size = "512MB"' in reported


def test_what_no_manifest_can_say_is_left_alone(tmp_path: Path) -> None:
    made, _ = updated(tmp_path, HEAD + "[functions.one]\n", [live_function("one", settings(description="x" * 501))])
    assert [left_words(one) for one in made.left] == [
        "one.description is skipped: description must have at most 500 characters"
    ]


ENVIRONMENTS = """
[functions.one]
memory = "256MB"
[functions.two]
[environments.dev]
cloud.folder_id = "folder-of-dev"
[environments.prod]
defaults.timeout = "10s"
functions.one.memory = "512MB"  # more
"""


def test_what_one_environment_has_goes_into_what_is_said_of_it(tmp_path: Path) -> None:
    live = [
        live_function("one", settings(memory_bytes=1 << 30, environment={"A": "1"})),
        live_function("two", settings(execution_timeout_s=20.0)),
    ]
    _, reported = updated(tmp_path, HEAD + ENVIRONMENTS, live, environment="prod")
    lines = [line for line in reported.splitlines() if line not in (HEAD + ENVIRONMENTS).splitlines()]
    assert lines == [
        'functions.one.memory = "1GB"  # more',
        'functions.one.environment.A = "1"',
        'functions.two.timeout = "20s"',
    ]
    assert 'functions.one.memory = "512MB"  # more' not in reported
    text = HEAD + ENVIRONMENTS.replace("functions.one.memory", "#")
    _, reported = updated(tmp_path, text, live, environment="prod")
    assert reported.endswith(
        '[environments.prod.functions.one]\nmemory = "1GB"\nenvironment = { A = "1" }\n'
        '\n[environments.prod.functions.two]\ntimeout = "20s"\n'
    )


def test_what_an_included_file_inherits_from_the_main_one_is_found(tmp_path: Path) -> None:
    text = 'include = ["team.toml"]\n' + HEAD.replace("128MB", "${SIZE:-128MB}")
    (tmp_path / "team.toml").write_text("[functions.one]\n[functions.two]\n")
    live = [live_function("one", settings(memory_bytes=1 << 30, runtime="nodejs22")), live_function("two", settings())]
    made, reported = updated(tmp_path, text, live)
    assert reported == text
    assert (tmp_path / "team.toml").read_text() == '[functions.one]\nruntime = "nodejs22"\n[functions.two]\n'
    assert [one.slot for one in made.left] == [("memory",)]


def test_what_many_functions_have_by_one_table_goes_into_their_own(tmp_path: Path) -> None:
    text = HEAD + '[each.many]\nnames = ["one", "two"]\nenvironment = { NAME = "{name}", LEVEL = "info" }\n'
    live = [
        live_function("one", settings(environment={"NAME": "one", "LEVEL": "debug"})),
        live_function("two", settings(environment={"NAME": "two", "LEVEL": "info"})),
    ]
    _, reported = updated(tmp_path, text, live)
    assert reported == text + '\n[functions.one]\nenvironment = { LEVEL = "debug" }\n'


def test_what_is_ignored_is_not_written(tmp_path: Path) -> None:
    text = HEAD + '[functions.one]\nignore = ["memory", "environment.LEVEL", "labels.team"]\nlabels = { team = "a" }\n'
    live = [live_function("one", settings(memory_bytes=1 << 30, environment={"LEVEL": "x"}), labels={"team": "b"})]
    made, reported = updated(tmp_path, text, live)
    assert reported == text
    assert made.left == []


def test_what_a_job_changes_is_reported_from_what_is_otherwise_anyway() -> None:
    declared = settings(environment={"A": "1", "OLD": "x"}, memory_bytes=256 << 20)
    base = settings(environment={"A": "1", "OLD": "x", "BY_HAND": "y"}, runtime="python311")
    desired = replace(base, runtime="python312", environment={"A": "2", "BY_HAND": "y"})
    found: dict[Any, Any] = job_slots(declared, base, desired)
    assert found == {("environment", "A"): "2", ("environment", "OLD"): REMOVED}
    assert job_slots(replace(declared, runtime="python311"), base, desired)["runtime",] == "python312"


def test_a_file_is_written_whole_with_its_rights_and_where_a_link_leads(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text("a = 1\n")
    real.chmod(0o640)
    link = tmp_path / "deploy.toml"
    link.symlink_to(real)
    write_all([FileChange(str(link), "deploy.toml", "a = 1\n", "a = 2\n")])
    assert link.is_symlink()
    assert (real.read_text(), stat.S_IMODE(real.stat().st_mode)) == ("a = 2\n", 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deploy.toml", "real.toml"]
    with pytest.raises(StartError, match="was changed in the meantime"):
        write_all([FileChange(str(link), "deploy.toml", "a = 1\n", "a = 3\n")])
    assert real.read_text() == "a = 2\n"


@pytest.mark.parametrize(
    ("declared", "own", "written"),
    [
        ("public = true", {"public": {}}, "public = false"),
        ("public = false", {"public": {ROLE: True}}, "public = true"),
        ("public = true", {"public": {OTHER_ROLE: True}}, "public = true"),
        ("public = true", {}, "public = true"),  # it could not be read
        ("", {"public": {ROLE: True}, "scaling": {"a": {"provisioned": 1}}}, ""),  # not declared: kept as it is
        ("scaling.a = { provisioned = 1 }", {"scaling": {"a": MANY}}, "scaling.a = { provisioned = 3 }"),
        ("scaling.a = { zone_requests = 5 }", {"scaling": {"a": MANY}}, "scaling.a = { zone_requests = 0 }"),
        ("scaling.a = { provisioned = 3 }", {"scaling": {"a": MANY, "b": MANY}}, "scaling.a = { provisioned = 3 }"),
        ("scaling.a = { provisioned = 1 }", {"scaling": {}}, ""),
        ("scaling.a = { provisioned = 0 }", {"scaling": {}}, "scaling.a = { provisioned = 0 }"),
        ('scaling.a = { provisioned = 1 }\nignore = ["scaling.a"]', {"scaling": {"a": MANY}}, None),
        (
            "scaling_exact = true", {"scaling": {"a": MANY}},
            "scaling_exact = true\nscaling = { a = { provisioned = 3, zone_instances = 2 } }",
        ),
    ],
)  # fmt: skip
def test_scaling_and_access_that_are_declared_become_what_is_live(
    declared: str, own: dict[str, Any], written: str | None, tmp_path: Path
) -> None:
    text = f"{HEAD}[functions.one]\n{declared}\n"
    one = live_function("one", settings(), **own)
    made, reported = updated(tmp_path, text, [one])
    assert made.left == []
    expected = tomllib.loads(f"{HEAD}[functions.one]\n{declared if written is None else written}\n")
    assert tomllib.loads(reported) == expected
    assert {unit.action for unit in planned_from(tmp_path, reported, live_state([one])).units} == {Action.UNCHANGED}


def test_a_policy_that_is_inherited_and_gone_is_taken_away(tmp_path: Path) -> None:
    text = f"{HEAD}scaling.a = {{ provisioned = 1 }}\n[functions.one]\n[functions.two]\n"
    live = [live_function("one", settings(), scaling={}), live_function("two", settings(), scaling={"a": MANY})]
    _, reported = updated(tmp_path, text, live)
    read = tomllib.loads(reported)
    assert read["defaults"] == tomllib.loads(text)["defaults"]
    assert read["functions"] == {"one": {"without": ["scaling.a"]}, "two": {"scaling": {"a": {"provisioned": 3}}}}
