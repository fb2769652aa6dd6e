"""Each field changed alone gives exactly its reason in a plan, for new versions and for copies. Values
are never shown.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from orchestrator.model import Action, Code, FunctionSpec, Settings, SourceCode, Tree, Unit, VersionCopy
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.planner import build
from orchestrator.version.adoption import Adoption
from orchestrator.version.body import settings_fields
from orchestrator.version.stamp import code_digest, fingerprint, forced_digest, stamped
from tests.builders import function, settings, source, spec, tree, version
from tests.settings import any_settings
from tests.unit.version.test_compare import BASE, TABLE

TREE = tree(paths=("index.py", "main.py"))
CODES: list[tuple[Code, Action]] = [(source(), Action.VERSION), (VersionCopy("$latest"), Action.COPY)]


def deployed(made: Settings, *, by_hand: bool = False) -> LiveState:
    """Return a folder in which `source()` is live with these settings."""
    digest = fingerprint(made, code_digest(source(), TREE))
    raw = settings_fields(made, made.description if by_hand else stamped(made.description, digest))
    tags = ("$latest", *raw.pop("tag", ()))
    return indexed([function()], [version("v1", "id-f", tags=tags, **raw)])


def planned(desired: FunctionSpec, there: LiveState, *, forced: str = "", adopt: bool = False) -> Unit:
    prepared = TREE if isinstance(desired.code, SourceCode) else None
    (unit,) = build(
        {desired.key: desired}, there, {desired.key: prepared}, {}, forced=forced, adopt=Adoption(everything=adopt)
    ).units
    return unit


@pytest.mark.parametrize(("code", "action"), CODES)
@pytest.mark.parametrize(("name", "value", "reason"), TABLE, ids=lambda value: value if isinstance(value, str) else "")
def test_each_field_alone_gives_its_reason(name: str, value: Any, reason: str, code: Code, action: Action) -> None:
    unit = planned(spec(settings=replace(BASE, **{name: value}), code=code), deployed(BASE))
    assert (unit.action, unit.reason) == (action, reason)


def test_every_field_has_its_row() -> None:
    # Names of accounts are IDs before a plan is made; tags have their own test.
    assert {row[0] for row in TABLE} | {"service_account", "tags"} == {field.name for field in fields(Settings)}


@pytest.mark.parametrize("code", [code for code, _ in CODES])
def test_a_tag_alone_is_moved_without_a_new_version(code: Code) -> None:
    unit = planned(spec(settings=replace(BASE, tags=("blue", "stable")), code=code), deployed(BASE))
    assert unit.action is Action.RETAG
    assert [tuple(change.after) for change in unit.changes] == [("blue",), ("stable",)]
    assert unit.reason == "the live version lacks the tags blue, stable"


def test_several_changes_stand_side_by_side_and_the_package_first() -> None:
    there = deployed(settings(environment={"B": "1", "C": "1"}))
    desired = spec(settings=settings(runtime="python313", environment={"A": "1", "B": "2"}), code=source())
    (unit,) = build({"f": desired}, there, {"f": tree("b" * 64)}, {}).units
    assert re.fullmatch(
        r"package [0-9a-f]{4}… → [0-9a-f]{4}…; runtime python312 → python313; environment: \+A ~B -C", unit.reason
    )


@pytest.mark.parametrize(("changes", "reason"), [({}, "forced"), ({"concurrency": 4}, "forced; concurrency 2 → 4")])
def test_a_forced_version_says_so_and_what_changes_besides(changes: dict[str, Any], reason: str) -> None:
    desired = spec(settings=replace(BASE, **changes), code=source())
    unit = planned(desired, deployed(BASE), forced=forced_digest("monday"))
    assert (unit.action, unit.reason) == (Action.VERSION, reason)


def test_what_is_blocked_stays_blocked_when_it_is_forced() -> None:
    unit = planned(spec(settings=settings(), code=source()), deployed(BASE, by_hand=True), forced="0" * 8)
    assert unit.action is Action.BLOCKED
    assert unit.reason.startswith("the live version was not made by this tool, and the new version would remove ")


@given(any_settings(), any_settings())
@limits(max_examples=100, deadline=None)
def test_no_value_of_an_environment_or_key_of_a_secret_is_in_any_reason(desired: Settings, there: Settings) -> None:
    def hidden(given_settings: Settings, mark: str) -> Settings:
        return replace(
            given_settings,
            environment=dict.fromkeys(given_settings.environment, f"hidden-{mark}"),
            secrets=tuple(replace(one, key=f"hidden-{mark}") for one in given_settings.secrets),
        )

    for by_hand in (False, True):
        for adopt in (False, True):
            one = spec(settings=hidden(desired, "new"), code=source())
            unit = planned(one, deployed(hidden(there, "old"), by_hand=by_hand), adopt=adopt)
            assert "hidden" not in f"{unit.reason} {unit.failure}"


def digested(digest: str, **files: int) -> Tree:
    numbers = {**dict.fromkeys(TREE.paths, 0), **files}
    return replace(tree(digest, tuple(numbers)), digests="".join(f"{number:016x}" for number in numbers.values()))


BEFORE = digested("a" * 64, a=1, b=2, c=3, d=4, e=5)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (digested("b" * 64, a=9, b=2, c=3, d=4, f=6), "code: a, +f, -e"),
        (digested("b" * 64, a=9, b=9, c=9, x=1), "code: a, b, c, 3 more"),
        (digested("b" * 64, a=1, b=2, c=3, d=4, e=5), None),  # the maker is not known
        (replace(BEFORE, hash="b" * 64, digests=""), None),
    ],
)
def test_files_that_differ_are_named_where_they_are_known(after: Tree, reason: str | None) -> None:
    desired, there = spec(settings=BASE, code=source()), deployed(BASE)
    was = code_digest(desired.code, TREE)
    (unit,) = build({"f": desired}, there, {"f": after}, {}, packed={was: BEFORE.files}.get).units
    (unknown,) = build({"f": desired}, there, {"f": after}, {}).units
    assert unknown.reason.startswith("package ")
    assert unknown.files is None
    assert unit.reason == (reason or unknown.reason)
    assert (unit.files is not None) == bool(after.digests)


def test_what_somebody_made_by_hand_is_not_compared_file_by_file() -> None:
    desired, there = spec(settings=BASE, code=source()), deployed(BASE, by_hand=True)
    (unit,) = build({"f": desired}, there, {"f": BEFORE}, {}, packed=lambda _: BEFORE.files).units
    assert unit.files is None
