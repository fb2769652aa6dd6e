"""The messages about a version that was replaced unseen: whole sentences that are enough to act on."""

from __future__ import annotations

from orchestrator.planning.meanwhile.overwritten import as_failure
from orchestrator.version.body import settings_fields
from tests.builders import settings, version

MADE = version("v3", "id-f", **settings_fields(settings(), ""))
LOST = version("v2", "id-f", **settings_fields(settings(memory_bytes=1 << 30, environment={"FIX": "1"}), ""))
CODE = 'to restore its code, write `version_id = "v2"` in [functions.f] in place of its source'


def test_what_was_replaced_is_said_with_the_way_back() -> None:
    failure = as_failure("f", LOST, MADE, LOST).failure
    assert failure.message == "version v2 was made by other means after the plan, and version v3 has replaced it"
    assert failure.advice == (
        f"{CODE}; to restore its settings, declare them there with the former values (from v2 to v3 changed:"
        " memory 1GB → 128MB; environment: -FIX); then deploy"
    )


def test_equal_settings_and_such_that_cannot_be_read_are_not_spoken_of() -> None:
    assert as_failure("f", MADE, MADE, MADE).failure.advice == CODE.replace("v2", "v3") + "; then deploy"
    assert as_failure("f", LOST, MADE, None).failure.advice == CODE + "; then deploy"
