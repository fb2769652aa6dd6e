"""Messages name the option that was typed, or the variable that was set."""

from __future__ import annotations

import pytest

from orchestrator.manifest.variables.given_by import as_given, source_of, without


@pytest.mark.parametrize(
    ("variable", "source", "given", "way"),
    [
        (None, "--lock-timeout", "--lock-timeout 5x", "leave out --lock-timeout"),
        ("5x", "ORCHESTRATOR_LOCK_TIMEOUT", "ORCHESTRATOR_LOCK_TIMEOUT=5x", "unset ORCHESTRATOR_LOCK_TIMEOUT"),
        ("10m", "--lock-timeout", "--lock-timeout 5x", "leave out --lock-timeout"),  # the typed one wins
    ],
)
def test_the_source_of_a_value_is_named(
    variable: str | None, source: str, given: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORCHESTRATOR_LOCK_TIMEOUT", raising=False)
    if variable is not None:
        monkeypatch.setenv("ORCHESTRATOR_LOCK_TIMEOUT", variable)
    assert source_of("--lock-timeout", "5x") == source
    assert as_given("--lock-timeout", "5x") == given
    assert without("--lock-timeout", "5x") == way


def test_a_flag_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_SANDBOX", "1")
    assert source_of("--sandbox") == "ORCHESTRATOR_SANDBOX"
