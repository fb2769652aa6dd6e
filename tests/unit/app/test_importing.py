"""`import`: the manifest declares exactly the live state, so that a plan has no changes."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.app.commands.import_ import _words
from orchestrator.app.session.importing.entries import KnownNames
from orchestrator.function.access import ROLE
from orchestrator.function.scaling import policies_of
from orchestrator.model import Action, AsyncInvocation, ScalingPolicy, Secret
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.views import DocumentView
from orchestrator.version.fields import FIELDS, TAGS
from tests.builders import settings
from tests.live import imported, live_function, live_state, planned_from
from tests.long import LONG
from tests.settings import any_settings

LABELS = st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["a", "b"]), max_size=2)

COUNTED = st.sampled_from([{"provisioned": 1}, {"zone_instances": 2, "zone_requests": 4}])
SCALING = st.dictionaries(st.sampled_from(["$latest", "stable"]), COUNTED, max_size=2).map(
    lambda policies: policies_of(ScalingPolicy(tag, **counts) for tag, counts in policies.items())
)


@st.composite
def any_function(draw: st.DrawFn, number: int) -> Any:
    folder = draw(st.sampled_from(["folder", "other"]))
    described = draw(st.sampled_from(["", 'what "it" does \\ ${is}']))
    own = {"scaling": draw(SCALING), "public": draw(st.sampled_from([{}, {ROLE: True}, None]))}
    return live_function(
        f"fn-{number}", draw(any_settings()), folder, labels=draw(LABELS), description=described, **own
    )


def check_nothing_to_do(functions: list[Any]) -> None:
    live = live_state(functions)
    made, text = imported(live)
    values = {
        name: str(functions[0][1].raw["environment"][name])
        for one in made.variables
        for name in [one.name]
        if name in functions[0][1].raw.get("environment", {})
    }
    for one in made.variables:  # "environment.NAME of KEY, …"
        key, _, holders = one.what.partition(" of ")
        holder = holders.split(",")[0].split(" and ")[0]
        raw = next(version.raw for function, version in functions if holder.endswith(function.name))
        values[one.name] = raw["environment"][key.removeprefix("environment.")]
    with TemporaryDirectory() as folder:
        plan = planned_from(Path(folder), text, live, values)
    written = {unit.key: (unit.action, unit.reason) for unit in plan.units}
    assert {action for action, _ in written.values()} <= {Action.UNCHANGED}, written
    assert len(plan.units) + len(made.notes) >= len(functions) - len(made.left_out)


@given(st.integers(1, 4).flatmap(lambda count: st.tuples(*(any_function(number) for number in range(count)))))
@hypothesis_settings(max_examples=12, deadline=None)
def test_a_plan_of_what_was_imported_has_nothing_to_do(functions: tuple[Any, ...]) -> None:
    check_nothing_to_do(list(functions))


@LONG
@given(st.integers(1, 3).flatmap(lambda count: st.tuples(*(any_function(number) for number in range(count)))))
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_plan_of_what_was_imported_has_nothing_to_do_at_length(functions: tuple[Any, ...]) -> None:
    check_nothing_to_do(list(functions))


EVERYTHING = settings(
    environment={"LEVEL": "info"}, description="by hand", service_account_id="ajea", tags=("stable",),
    secrets=(Secret("DB", "password", "e6qa", None, "e6qv"),), async_invocation=AsyncInvocation(),
)  # fmt: skip


def test_every_field_of_a_version_is_spelled() -> None:
    """The table of fields is complete: a row without a key in the text would be lost."""
    live = live_state([live_function("one", EVERYTHING)])
    function = tomllib.loads(imported(live)[1])["functions"]["one"]
    given_rows = [row for row in (*FIELDS, TAGS) if getattr(EVERYTHING, row.setting) not in (None, (), {}, "")]
    assert {row.key for row in given_rows} <= function.keys()


def test_names_stand_in_place_of_ids_where_they_are_known() -> None:
    live = live_state([live_function("one", EVERYTHING), live_function("two", EVERYTHING, "elsewhere")])
    names = KnownNames({("folder", "ajea"): "runner"}, {("folder", "e6qa"): "db"}, {"e6qa": "e6qv"})
    read = tomllib.loads(imported(live, names)[1])["functions"]
    assert read["one"]["service_account"] == "runner"
    assert read["one"]["secrets"] == [{"environment_variable": "DB", "key": "password", "name": "db"}]
    assert read["two"]["service_account_id"] == "ajea"
    assert read["two"]["secrets"] == [{"environment_variable": "DB", "key": "password", "id": "e6qa"}]


def test_an_older_version_of_a_secret_stays_named() -> None:
    live = live_state([live_function("one", EVERYTHING)])
    _, text = imported(live, KnownNames({}, {}, {"e6qa": "another"}))
    assert tomllib.loads(text)["functions"]["one"]["secrets"][0]["version_id"] == "e6qv"


def test_values_that_look_like_secrets_are_not_written() -> None:
    token, jwt = "hunter2hunter2", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdef"
    given_to = {
        "auth-a": {"API_TOKEN": token, "LEVEL": "info", "PLAIN": jwt},
        "auth-b": {"API_TOKEN": token, "YC_TOKEN": "of the function"},
        "media": {"API_TOKEN": "another one", "DSN": "", "SALT": "12345"},
    }
    live = live_state([live_function(name, settings(environment=env)) for name, env in given_to.items()])
    redactor = Redactor()
    made, text = imported(live, looks_secret=lambda value: redactor.text(value) != value)
    for secret in (token, jwt, "of the function", "another one", "12345"):
        assert secret not in text
    assert [one.name for one in made.variables] == [
        "AUTH_API_TOKEN", "AUTH_B_YC_TOKEN", "MEDIA_API_TOKEN", "PLAIN", "SALT",
    ]  # fmt: skip
    assert "#   AUTH_API_TOKEN  environment.API_TOKEN of auth-a, auth-b" in text
    assert 'LEVEL = "info"' in text


def test_functions_of_one_name_have_keys_of_their_own() -> None:
    live = live_state([live_function("same", settings(), folder) for folder in ("b1ga", "b1gb")])
    read = tomllib.loads(imported(live)[1])["functions"]
    assert {key: table["name"] for key, table in read.items()} == {"b1ga/same": "same", "b1gb/same": "same"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"executionTimeout": None}, "live value differs: timeout none → 10s"),
        ({"runtime": {"name": "x"}}, ""),
        ({"description": "x" * 501}, "not declared here: description must have at most 500 characters"),
        ({"environment": {"1A": "x"}}, 'not declared here: environment.1A "1A" is not valid: must begin with a letter'),
        ({"logOptions": {"minLevel": 5}}, "live value differs: log cannot be read"),
        ({"status": "OBSOLETE"}, "the live version is OBSOLETE"),
    ],
)
def test_what_a_manifest_cannot_say_is_named_and_left_out_of_runs(
    raw: dict[str, Any], said: str, tmp_path: Path
) -> None:
    function, version = live_function("one", settings())
    changed = {name: value for name, value in {**version.raw, **raw}.items() if value is not None}
    version = replace(version, raw=changed, status=changed["status"], description=changed.get("description", ""))
    live = live_state([(function, version), live_function("two", settings())])
    made, text = imported(live)
    if said:
        assert any(note.startswith(said) for note in made.notes["one"]), made.notes
        assert f"# {said}" in text
        assert tomllib.loads(text)["functions"]["one"]["enabled"] is False
    else:
        assert "runtime is not known" in made.left_out["one"]
        assert "# skipped: one" in text
    assert [unit.action for unit in planned_from(tmp_path, text, live).units] == [Action.UNCHANGED]


def test_a_new_field_of_the_cloud_is_named_and_keeps_the_function_in_runs(tmp_path: Path) -> None:
    function, version = live_function("one", settings())
    live = live_state([(function, replace(version, raw={**version.raw, "newThing": {"a": 1}}))])
    made, text = imported(live)
    assert made.notes["one"] == ("not declared here, since this program does not know it: newThing",)
    assert [unit.action for unit in planned_from(tmp_path, text, live).units] == [Action.UNCHANGED]


def test_what_is_shown_is_what_is_written_whatever_things_are_called() -> None:
    """Redaction covers what is not a word of the manifest. Secrets were removed from its text before."""
    environment = {"TOKEN_URL": "https://a.b/c?token=${x}", "KEY_ID": "abcdefgh1234", "BASIC": "basic training 12345"}
    labels = {"token": "a1b2c3d4e5", "password": "none"}
    live = live_state([
        live_function("auth-token", settings(environment=environment, description="secret: not told"), labels=labels),
        live_function("two", settings(environment={"API_SECRET": "hunter2hunter2"})),
    ])  # fmt: skip
    redactor = Redactor()
    made, text = imported(live, looks_secret=lambda value: redactor.text(value) != value)
    redactor.protect(_words(made))
    assert "hunter2" not in text
    assert Outlet(redactor).value(DocumentView(text)).text.rstrip() == text.rstrip()


def test_functions_that_anybody_may_invoke_say_so_each_by_itself() -> None:
    """A setting in [defaults] or a template would open the next function too."""
    live = live_state([live_function(f"f{number}", settings(), public={ROLE: True}) for number in range(6)])
    read = tomllib.loads(imported(live)[1])
    assert "public" not in read["defaults"]
    assert "templates" not in read
    assert [one["public"] for one in read["each"].values()] == [True]
