"""docs/manifest.md has every key of the schema, with the schema's description."""

from __future__ import annotations

from orchestrator.manifest.lists import LISTS
from tests import reference


def test_the_reference_is_that_of_the_schema() -> None:
    text = reference.PAGE.read_text("utf-8")
    assert reference.page(text) == text, "run `python -m tests.reference`"


def test_the_reference_tells_how_every_list_comes_together() -> None:
    tables = reference.tables()
    assert [key for key, rule in LISTS.items() if rule.said and rule.said not in tables] == []
