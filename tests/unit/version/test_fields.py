"""The table of fields is complete: each setting has a row, each row a setting, a key and a name in the API."""

from __future__ import annotations

from dataclasses import fields

import pytest

from orchestrator.manifest.tables import FunctionTable
from orchestrator.model import Settings
from orchestrator.version.body import settings_fields
from orchestrator.version.fields import FIELDS, SHOWN, TAGS, Field
from tests.builders import settings

ROWS = (*FIELDS, TAGS)


def test_every_setting_has_one_row() -> None:
    rows = [row.setting for row in ROWS]
    assert sorted([*rows, "service_account"]) == sorted(field.name for field in fields(Settings))


def test_names_of_the_api_are_distinct() -> None:
    assert len({row.api for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.setting)
def test_every_row_has_a_key_in_the_manifest(row: Field) -> None:
    assert row.key in FunctionTable.model_fields


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row.setting)
def test_what_is_not_there_reads_as_the_setting_that_is_not_sent(row: Field) -> None:
    unset = Settings("", "", 0)
    assert row.codec.decode(None) == getattr(unset, row.setting)


def test_what_is_unset_is_not_sent() -> None:
    assert settings_fields(settings(execution_timeout_s=None), "") == {
        "runtime": "python312", "entrypoint": "index.handler", "resources": {"memory": str(128 << 20)},
    }  # fmt: skip
