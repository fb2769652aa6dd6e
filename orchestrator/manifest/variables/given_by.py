"""Where the value of an option comes from, for messages: every option has an environment variable, `ORCHESTRATOR_…`."""

from __future__ import annotations

import os


def source_of(option: str, value: str | None = None) -> str:
    """Return the environment variable of an option where it is set, to `value` if that is given; otherwise the option.

    | `--bucket` typed | `ORCHESTRATOR_BUCKET` | result                |
    | ---              | ---                   | ---                   |
    | yes              | not set, or another   | `--bucket`            |
    | no               | the value             | `ORCHESTRATOR_BUCKET` |
    """
    variable = f"ORCHESTRATOR_{option.removeprefix('--').upper().replace('-', '_')}"
    set_to = os.environ.get(variable, "")
    return variable if set_to and value in (None, set_to) else option


def as_given(option: str, value: str) -> str:
    """Return an option with its value as it was given: `--bucket b`, or `ORCHESTRATOR_BUCKET=b`."""
    source = source_of(option, value)
    return f"{source}{' ' if source == option else '='}{value}"


def without(option: str, value: str | None = None) -> str:
    """Return how not to give an option: `leave out --env`, or `unset ORCHESTRATOR_ENV`."""
    source = source_of(option, value)
    return f"leave out {source}" if source == option else f"unset {source}"
