"""What is read from the command line."""

from __future__ import annotations

import pytest

from orchestrator.app.session.options import seconds
from orchestrator.errors import UsageError


@pytest.mark.parametrize(("text", "expected"), [("10", 10.0), ("0", 0.0), ("0.5", 0.5), ("10s", 10.0), ("1m30s", 90.0)])
def test_a_duration_is_one_with_units_or_a_number_of_seconds(text: str, expected: float) -> None:
    assert seconds("--lock-timeout", text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e3", "10 s", "nan", "9999999999"])
def test_what_is_no_duration_is_told_with_its_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--lock-timeout .*: must be a "):
        seconds("--lock-timeout", text)
