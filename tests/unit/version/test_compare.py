"""Each field changed alone gives exactly its reason. Values of variables and of secrets are never in it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits

from orchestrator.model import (
    AsyncInvocation,
    Connectivity,
    LogOptions,
    MetadataOptions,
    Mount,
    Secret,
    Settings,
    StorageMount,
)
from orchestrator.version.body import settings_fields
from orchestrator.version.compare import differences, not_as_sent, setting_changes
from orchestrator.version.fields import SHOWN, Field
from tests.builders import settings
from tests.settings import any_settings
from tests.unit.version.test_copy import live

TOKEN = Secret("TOKEN", "k", "e6q", None, "e6r")
DATA = Mount("data", "read_only", bucket="bbb")
BASE = settings(
    environment={"B": "hidden-one", "C": "hidden-two"}, secrets=(TOKEN,), mounts=(DATA,), service_account_id="aje1",
    named_service_accounts={"db": "aje2"}, concurrency=2, tmpfs_size_bytes=512 << 20, description="text",
)  # fmt: skip

# a field of Settings, its new value, the reason in words
TABLE: list[tuple[str, Any, str]] = [
    ("runtime", "python311", "runtime python312 → python311"),
    ("entrypoint", "main.run", "entrypoint index.handler → main.run"),
    ("memory_bytes", 256 << 20, "memory 128MB → 256MB"),
    ("execution_timeout_s", 90.0, "timeout 10s → 1m30s"),
    ("description", "other", "description changed"),
    ("service_account_id", "aje9", "service account aje1 → aje9"),
    ("service_account_id", None, "service account aje1 → none"),
    ("environment", {"A": "hidden-new", "B": "hidden-new"}, "environment: +A ~B -C"),
    ("named_service_accounts", {"db": "aje3", "q": "aje4"}, "named accounts: +q ~db"),
    ("secrets", (replace(TOKEN, version_id="e6s"),), "secrets: ~TOKEN"),
    ("secrets", (TOKEN, replace(TOKEN, environment_variable="KEY")), "secrets: +KEY"),
    ("secrets", (), "secrets: -TOKEN"),
    ("connectivity", Connectivity("enp1"), "connectivity changed"),
    ("log", LogOptions(disabled=True), "log changed"),
    ("mounts", (replace(DATA, prefix="p/"), Mount("tmp", disk_size_bytes=1 << 30)), "mounts: +tmp ~data"),
    ("storage_mounts", (StorageMount("old", "bbb"),), "mounts: +old"),
    ("async_invocation", AsyncInvocation(), "async_invocation changed"),
    ("tmpfs_size_bytes", 1 << 30, "tmpfs_size 512MB → 1GB"),
    ("concurrency", 4, "concurrency 2 → 4"),
    ("metadata", MetadataOptions(gce_http_endpoint=True), "metadata changed"),
]  # fmt: skip
# Not sent as they are: names are resolved before, tags move separately.
NO_REASON = {"service_account", "tags"}


def echoed(given_settings: Settings) -> dict[str, Any]:
    """Return a Version's JSON as the cloud returns these settings."""
    return settings_fields(given_settings, given_settings.description)


def test_the_table_has_every_field_of_settings() -> None:
    assert {row[0] for row in TABLE} | NO_REASON == {field.name for field in fields(Settings)}


@pytest.mark.parametrize(("name", "value", "reason"), TABLE, ids=lambda value: value if isinstance(value, str) else "")
def test_each_field_alone_gives_its_reason(name: str, value: Any, reason: str) -> None:
    assert list(differences(replace(BASE, **{name: value}), echoed(BASE)).values()) == [reason]


def test_what_is_the_same_gives_none() -> None:
    assert differences(BASE, echoed(BASE)) == {}


@given(any_settings())
@limits(max_examples=60, deadline=None)
def test_what_was_made_of_settings_does_not_differ_from_them(desired: Settings) -> None:
    assert differences(desired, live(desired).raw) == {}


@given(any_settings(), any_settings())
@limits(max_examples=100, deadline=None)
def test_no_value_of_an_environment_shows(desired: Settings, there: Settings) -> None:
    marked = replace(desired, environment={name: f"hidden-{name}" for name in desired.environment})
    before = replace(there, environment={name: f"hidden-{name}-before" for name in there.environment})
    assert "hidden" not in " ".join(differences(marked, echoed(before)).values())


WHOLE = replace(
    BASE, connectivity=Connectivity("enp1", ("e9b1",)), log=LogOptions(min_level="WARN"),
    async_invocation=AsyncInvocation(2), metadata=MetadataOptions(gce_http_endpoint=False), concurrency=4,
)  # fmt: skip


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.setting)
def test_whatever_was_asked_for_and_is_not_there_is_not_as_sent(row: Field) -> None:
    made = echoed(WHOLE)
    assert row.api in made
    assert not_as_sent(WHOLE, made) == []
    del made[row.api]
    (said,) = not_as_sent(WHOLE, made)
    assert row.label in said


def test_the_same_one_by_one_shows_no_value_of_a_variable() -> None:
    changed = {name: value for name, value, _ in TABLE if name in ("memory_bytes", "environment", "description")}
    found = setting_changes(replace(BASE, **changed, service_account_id=None, concurrency=None), echoed(BASE))
    assert {(one.sign, one.label, one.what) for one in found} == {
        ("~", "memory", "128MB → 256MB"), ("~", "description", "changed"), ("-", "service account", "aje1"),
        ("-", "concurrency", "2"), ("+", "environment", "A"), ("~", "environment", "B"), ("-", "environment", "C"),
    }  # fmt: skip
    assert setting_changes(BASE, echoed(BASE)) == ()
    assert len({one.label for one in setting_changes(settings(), echoed(BASE))}) == len(
        differences(settings(), echoed(BASE))
    )
