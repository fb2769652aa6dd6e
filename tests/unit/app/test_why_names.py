"""Which function `why` selects where names are equal, and which run made a Version that no record has yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.app.session.why.identifying import also_called, declared
from orchestrator.app.session.why.live_side import made_meanwhile
from orchestrator.errors import UsageError
from orchestrator.manifest.load import load
from tests.builders import spec

AT = datetime(2026, 11, 28, 5, 56, 57, tzinfo=UTC)


@pytest.mark.parametrize(
    ("created_at", "run_ids", "found"),
    [
        (AT, ["20261128T055605-587bbb"], "20261128T055605-587bbb"),
        (AT, ["20261128T055700-587bbb"], ""),  # it began later
        (AT, ["20261128T055605-587bbb", "20261128T055610-000000", "20261128T060000-ffffff"], "20261128T055610-000000"),
        (AT, [], ""),
        (None, ["20261128T055605-587bbb"], ""),
    ],
)
def test_a_run_that_holds_the_function_has_probably_made_what_came_after_it_began(
    created_at: datetime | None, run_ids: list[str], found: str
) -> None:
    assert made_meanwhile(created_at, run_ids) == found


def test_a_name_that_is_a_key_as_well_is_said(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text('[cloud]\nfolder_id = "b1g"\n[jobs.j]\nrun = "mass_redeploy"\n')
    auth, two = spec("auth"), replace(spec("two"), name="auth", folder_id="b1gtwo")
    manifest = replace(load(tmp_path / "deploy.toml", {}), functions={"auth": auth, "two": two, "bill": spec("bill")})
    assert declared("auth", manifest) == auth
    assert also_called("auth", manifest) == "auth is also the name of two (folder b1gtwo): choose it by its key"
    assert also_called("bill", manifest) == also_called("two", manifest) == ""
    both = replace(manifest, functions={"one": replace(auth, key="one"), "two": two})
    with pytest.raises(UsageError, match='"auth" is the name of several functions: one, two'):
        declared("auth", both)
