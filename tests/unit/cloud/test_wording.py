"""External text in sentences."""

from __future__ import annotations

import pytest

from orchestrator.cloud.wording import redacted


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
