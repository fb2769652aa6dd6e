"""docs/environment.md has every environment variable of the code, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import click

from orchestrator.cli import cli
from orchestrator.function.verification import verify_facts
from tests.pages import DOCS

ROOT = Path(__file__).parents[2]
_PREFIXES = "YC|AWS|OTEL|ORCHESTRATOR|GITHUB|GITLAB|CI|SSL"
_NAME = re.compile(rf"\b((?:{_PREFIXES})_[A-Z0-9_]*[A-Z0-9])\b|\"(NO_COLOR|FORCE_COLOR|NO_PROXY|TERM|CI|BROWSER)\"")
# Put together in the code, or read by a constant of a library.
WRITTEN_ELSE = {
    *verify_facts("", "", "", "", "", ""),
    "HTTPS_PROXY", "HTTP_PROXY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_METRICS_EXPORTER",
}  # fmt: skip
# By its shell's completion script only.
INTERNAL = {"ORCHESTRATOR_COMPLETE"}


def test_every_variable_of_the_code_is_on_the_page() -> None:
    page = (DOCS / "environment.md").read_text("utf-8")
    shown = set(re.findall(r"`([A-Z][A-Z0-9_]*[A-Z0-9])`", page))
    read = {
        name
        for path in (ROOT / "orchestrator").rglob("*.py")
        for found in _NAME.finditer(path.read_text("utf-8"))
        for name in filter(None, found.groups())
    }
    assert read - INTERNAL - shown == set()
    generated = set(re.findall(r"(?m)^\| `(ORCHESTRATOR_\w+)` \| `--", page))
    assert shown - generated - read == WRITTEN_ELSE - read


def test_the_page_names_the_options_without_a_variable() -> None:
    page = (DOCS / "environment.md").read_text("utf-8")
    without = {
        parameter.opts[0]
        for command in cli.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.envvar and not parameter.hidden
    }
    (said,) = re.findall(r"has a variable, except (.+)\.", page)
    assert set(re.findall(r"`(--[a-z-]+)`", said)) == without
