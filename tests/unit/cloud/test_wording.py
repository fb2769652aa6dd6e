"""External text in sentences."""

from __future__ import annotations

import pytest

from orchestrator.cloud.wording import advise, redacted
from orchestrator.errors import Code


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("Token abc-def is expired", "abc-def", "Token [redacted] is expired"),
        ("Token is invalid or has expired.", "x", "Token is invalid or has expired."),
        ("Bearer t1.abc was refused", "", "Bearer [redacted] was refused"),
    ],
)
def test_a_secret_is_taken_out_and_no_letter_of_other_words(text: str, secret: str, shown: str) -> None:
    assert redacted(text, secret) == shown


def test_a_denied_call_names_the_roles() -> None:
    advice = advise(Code.PERMISSION_DENIED, "Permission denied")
    assert "functions.editor to deploy, functions.admin to change `public`" in advice
    assert all(role in advice for role in ("iam.serviceAccounts.user", "vpc.user", "lockbox.viewer", "storage.viewer"))
