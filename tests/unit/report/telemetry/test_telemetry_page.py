"""docs/telemetry.md lists every name that is sent, and no other."""

from __future__ import annotations

import re

from orchestrator.journal.event_json import EVENTS
from orchestrator.model import Step
from orchestrator.report.telemetry import exporting, sending
from orchestrator.report.telemetry.names import ATTRIBUTES, METRICS, SPAN_EVENTS
from tests.prose import ROOT

PAGE = (ROOT / "docs" / "telemetry.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table that begins like this, without its head."""
    _, _, below = PAGE.partition(f"{heading}\n| ---")
    table = below.split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_attribute_is_on_the_page() -> None:
    reported: dict[str, list[str]] = {}
    for span, names, _ in rows("| span | attribute `orchestrator.…` | what |"):
        reported.setdefault(span, []).extend(words(names))
    assert {span: sorted(names) for span, names in reported.items()} == {
        span: sorted(names) for span, names in ATTRIBUTES.items()
    }


def test_every_span_and_its_events_are_on_the_page() -> None:
    spans = {row[0]: row[1] for row in rows("| span | name | parent | when | status |")}
    assert spans.keys() == ATTRIBUTES.keys()
    assert words(spans["step"]) == [str(step) for step in Step if step is not Step.READ_BACK]
    assert words(spans["observe"]) == [str(Step.READ_BACK)]
    assert {row[0]: tuple(words(row[1])) for row in rows("| span | its events |")} == SPAN_EVENTS
    assert set().union(*SPAN_EVENTS.values()) <= EVENTS.keys()


def test_every_metric_is_on_the_page() -> None:
    reported = rows("| metric | kind | unit | attributes | what |")
    assert [(words(row[0])[0], row[1], words(row[2])[0], tuple(words(row[3])), row[4]) for row in reported] == [
        (metric.name, metric.kind, metric.unit, metric.attributes, metric.what) for metric in METRICS
    ]


def test_the_bounds_on_the_page_are_those_of_the_code() -> None:
    assert f"it waits {sending.END_S:g} seconds" in PAGE
    assert f"and {sending.CALLED_OFF_S:g} second after an interrupt" in PAGE
    assert f"{exporting.QUEUE_MAX:,} by default" in PAGE
    assert sending.EXTRA in PAGE
