"""Each declared value compared with the live one, as a plan compares them, with its place in the manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from orchestrator.manifest.origins.of_function import ValueOrigin
from orchestrator.model import Fingerprint, FunctionSpec, JobSpec, Place, Secret, Settings, SourceCode, VersionCopy
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.why.facts import Held, SettingRow
from orchestrator.planning.why.job_origins import COPIED, job_origins
from orchestrator.planning.why.setting_rows import LIVE_ONLY, setting_rows
from orchestrator.version.body import settings_fields
from orchestrator.version.compare import differences
from orchestrator.version.fields import FIELDS, Shown
from orchestrator.version.stamp import fingerprint, stamped
from tests.builders import function, settings, spec, version
from tests.settings import any_settings

PLACE = Place("deploy.toml", 7)


def live(made_of: Settings, *, description: str = "", **raw: Any) -> LiveState:
    """Return one function whose live Version was made with these settings."""
    fields = settings_fields(made_of, description or made_of.description)
    return indexed([function("f")], [version("v1", "id-f", tags=("$latest", "stable"), **fields | raw)])


def origins_for(one: FunctionSpec) -> list[ValueOrigin]:
    """Return an origin for each value of a function's Version, as the manifest has them."""
    found = []
    desired = settings_fields(one.settings, one.settings.description)
    for row in FIELDS:
        value = row.codec.comparable(desired.get(row.api))
        if row.shown in (Shown.ENTRIES, Shown.ITEMS):
            found += [ValueOrigin(f"{row.key}.{name}", name, "hidden", "defaults", PLACE) for name in value or {}]
        elif value is not None and row.shown is not Shown.NOWHERE:
            found.append(ValueOrigin(row.key, "", value, "defaults", PLACE))
    return found


def rows(desired: Settings, state: LiveState, **more: Any) -> dict[str, SettingRow]:
    one = spec("f", settings=desired, **more)
    return {row.key: row for row in setting_rows(one, origins_for(one), state, state.by_id["id-f"])}


@pytest.mark.parametrize(
    ("desired", "was", "key", "reported"),
    [
        ({"memory_bytes": 256 << 20}, {}, "memory", (Held.CHANGED, "256MB", "128MB")),
        ({}, {}, "memory", (Held.SAME, "128MB", "128MB")),
        ({"concurrency": 2}, {}, "concurrency", (Held.ADDED, "2", "")),
        ({}, {"concurrency": 2}, "concurrency", (Held.REMOVED, "", "2")),
        ({"environment": {"A": "1"}}, {"environment": {"A": "2"}}, "environment.A", (Held.CHANGED, "…", "…")),
        ({"environment": {"A": "1"}}, {"environment": {"A": "1"}}, "environment.A", (Held.SAME, "…", "…")),
        ({"environment": {"A": "1"}}, {}, "environment.A", (Held.ADDED, "…", "")),
        ({}, {"environment": {"A": "1"}}, "environment.A", (Held.REMOVED, "", "…")),
        (
            {"secrets": (Secret("T", "k", "e6q", None, "v2"),)}, {"secrets": (Secret("T", "k", "e6q", None, "v1"),)},
            "secrets.T", (Held.CHANGED, "e6q/v2/k", "e6q/v1/k"),
        ),
    ],
)  # fmt: skip
def test_how_a_value_stands(
    desired: dict[str, Any], was: dict[str, Any], key: str, reported: tuple[Held, str, str]
) -> None:
    row = rows(settings(**desired), live(settings(**was)))[key]
    assert (row.held, row.desired, row.live) == reported
    assert row.table == (LIVE_ONLY if reported[0] is Held.REMOVED else "defaults")


@pytest.mark.parametrize(
    ("key", "name", "value", "reported"),
    [
        ("build.command", "command", "npm ci", "…"),
        ("build.folder", "folder", "/p/app", "app"),
        ("build.inputs", "inputs", ["src/**", "package.json"], "src/**, package.json"),
        ("verify.payload", "payload", {"token": "t"}, "…"),
        ("verify.timeout", "timeout", 90.0, "1m30s"),
        ("environment.A", "A", "x", "…"),
        ("source", "", "/p/app/src", "app/src"),
        ("files.common", "common", "/libs", "../libs"),
    ],
)
def test_paths_patterns_and_numbers_show_and_free_texts_do_not(key: str, name: str, value: Any, reported: str) -> None:
    code = SourceCode(Path("/p/app/src"), Path("/p"))
    (row,) = setting_rows(
        spec("f", code=code), [ValueOrigin(key, name, value, "defaults", PLACE)], indexed([], []), None
    )
    assert row.desired == reported


def test_what_the_cloud_has_filled_in_is_no_difference() -> None:
    desired = settings()
    stamp = stamped("", fingerprint(desired, "c" * 16))
    made = live(desired, description=stamp, concurrency="4")
    assert all(row.held is Held.SAME for row in rows(desired, made).values())
    by_others = live(desired, concurrency="4")  # it is not known what it was made from
    assert rows(desired, by_others)["concurrency"].held is Held.REMOVED


@given(any_settings(), any_settings(), st.booleans())
@limits(max_examples=30, deadline=None)
def test_the_rows_that_differ_are_of_the_fields_that_a_plan_says_differ(
    desired: Settings, was: Settings, same: bool
) -> None:
    was = desired if same else was
    found = rows(desired, live(was))
    differing = {row.api for row in FIELDS for key, it in found.items()
                 if key.split(".")[0] == row.key and it.held not in (Held.SAME, Held.NOT_COMPARED)}  # fmt: skip
    state = live(was)
    latest = state.latest("id-f")
    assert latest is not None
    assert differing == differences(desired, latest.raw).keys()


@given(any_settings())
@limits(max_examples=30, deadline=None)
def test_no_value_of_a_variable_shows(made_of: Settings) -> None:
    hidden = {name: f"hidden-{number}" for number, name in enumerate(made_of.environment)}
    one = replace(made_of, environment=hidden)
    for row in (*rows(one, live(made_of)).values(), *rows(made_of, live(one)).values()):
        assert "hidden-" not in row.desired + row.live + row.written or not row.key.startswith("environment.")


def test_code_is_compared_by_its_digest_and_tags_by_their_holders() -> None:
    desired = settings(tags=("stable", "beta"))
    one = spec("f", settings=desired, promote=("good",))
    digest = fingerprint(desired, "c" * 16)
    state = live(desired, description=stamped("", digest))
    origins = [
        ValueOrigin("source", "", "/src", "functions.f", PLACE), ValueOrigin("tags", "", ["stable"], "defaults", PLACE),
        ValueOrigin("promote", "", ["good"], "defaults", PLACE),
    ]  # fmt: skip

    def reported(planned: Fingerprint | None) -> dict[str, tuple[Held, str]]:
        found = setting_rows(one, origins, state, state.by_id["id-f"], planned)
        return {row.key: (row.held, row.live) for row in found if row.key in ("source", "tags", "promote")}

    assert reported(digest)["source"] == (Held.SAME, "")
    assert reported(Fingerprint(digest.settings, "d" * 16))["source"] == (Held.CHANGED, "cccc…, desired dddd…")
    assert reported(None)["source"][0] is Held.NOT_COMPARED
    assert reported(digest)["tags"] == (Held.CHANGED, "beta: none")
    assert reported(digest)["promote"] == (Held.CHANGED, "good: none")


def test_labels_of_the_function_are_held_against_its_own() -> None:
    one = spec("f", labels={"team": "media", "tier": "gold"})
    origins = [ValueOrigin(f"labels.{name}", name, value, "defaults", PLACE) for name, value in one.labels.items()]
    held = replace(function("f"), labels={"team": "video"})
    state = indexed([held], [])
    found = {row.key: (row.held, row.live) for row in setting_rows(one, origins, state, held)}
    assert found == {"labels.team": (Held.CHANGED, "video"), "labels.tier": (Held.ADDED, "")}


def test_a_text_with_a_variable_in_it_shows_as_it_is_written() -> None:
    one = spec("f")
    written = "curl -H ${TOKEN}"
    build = ValueOrigin("build.command", "command", "curl -H hidden", "defaults", PLACE, ("TOKEN",), written)
    plain = ValueOrigin("verify.payload", "payload", {"password": "hidden"}, "defaults", PLACE)
    found = setting_rows(one, [build, plain], LiveState(), None)
    assert [row.desired for row in found] == [written, "…"]


def test_what_a_job_wants_comes_from_it_from_the_manifest_or_from_the_live_version() -> None:
    declared = spec("f", settings=settings(environment={"A": "1", "B": "1"}))
    was = live(settings(memory_bytes=512 << 20, environment={"A": "1", "B": "2", "C": "3"}))
    desired = replace(
        declared, code=VersionCopy("v1"),
        settings=settings(
            runtime="python313", memory_bytes=512 << 20, environment={"A": "1", "B": "2", "C": "4"},
        ),
    )  # fmt: skip
    job = JobSpec("up", "runtime_upgrade", {"to": "python313"}, PLACE)
    found = job_origins(desired, job, Path("nowhere.toml"), declared, origins_for(declared), was.latest("id-f"))
    assert {one.key: one.table for one in found} == {
        "runtime": "jobs.up",
        "entrypoint": "defaults",
        "timeout": "defaults",
        "memory": COPIED,
        "environment.A": "defaults",
        "environment.B": COPIED,
        "environment.C": "jobs.up",
        "version_id": COPIED,
    }
