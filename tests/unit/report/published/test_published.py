"""Every JSON document follows its published schema, and each schema describes every kind."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import orjson
import pytest

import orchestrator
from orchestrator.app.commands.schema import schema_command
from orchestrator.journal.event_json import EVENTS
from orchestrator.report.published.catalog import CATALOG
from orchestrator.report.published.event_words import SAID, WHEN_WRITTEN
from orchestrator.report.published.events import JOURNAL_ALONE
from orchestrator.report.views import DocumentView
from tests.documents import documents
from tests.published import EVENT, kind_of, objects, published, schema_of, validator

SOURCES = Path(orchestrator.__file__).parent
GOLDEN = Path(__file__).parents[3] / "golden"
BY_KIND = {kind: [one for one in documents().values() if kind_of(one) == kind] for kind in CATALOG}
WRITTEN = {*EVENTS, "summary"} - {*JOURNAL_ALONE}
# For each kind the path of a value that is one of a few words.
WORDS = {
    "plan": ("units", 0, "action"),
    "environments": ("functions", 0, "actions", "dev", "action"),
    "saved-plan": ("units", 0, "action"),
    "result": ("state",),
    "runs": ("runs", 0, "state"),
    "report": ("functions", 0, "outcome"),
    "why": ("settings", 0, "state"),
    "render": ("schema",),
    "package": ("files", 0, "sha256"),
    "findings": ("schema",),
    "jobs": ("schema",),
    "board": ("functions", 0, "status"),
    "prune": ("functions", 0, "versions", 0, "why"),
    "init": ("schema",),
    "import": ("schema",),
    "rewrite": ("schema",),
    "event": ("kind",),
    "notification": ("kind",),
    "gate": ("functions", 0, "outcome"),
}


@pytest.mark.parametrize("name", documents())
def test_every_document_is_as_its_schema_says(name: str) -> None:
    published(documents()[name])


def test_there_is_a_document_of_every_kind() -> None:
    assert [kind for kind, found in BY_KIND.items() if not found] == []
    lines = {one["kind"] for one in BY_KIND[EVENT]}
    assert lines == WRITTEN


def test_every_schema_that_the_program_writes_is_published() -> None:
    spelled = re.compile(r'"orchestrator/([a-z-]+)/(\d+)"')
    found = {pair for path in SOURCES.rglob("*.py") for pair in spelled.findall(path.read_text("utf-8"))}
    numbers = {(kind, str(one.number)) for kind, one in CATALOG.items() if kind not in (EVENT, "saved-plan")}
    assert found == numbers


@pytest.mark.parametrize("kind", CATALOG)
def test_each_schema_is_one_and_says_what_each_key_means(kind: str) -> None:
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]
    for name, one in {"": schema, **schema.get("$defs", {})}.items():
        silent = [key for key, value in one.get("properties", {}).items() if not value.get("description")]
        assert (name, silent) == (name, [])
        assert one["description"], name
        assert "additionalProperties" not in one or not one.get("properties"), "keys may be added"


def test_words_are_of_fields_that_there_are() -> None:
    assert set(WHEN_WRITTEN) == WRITTEN
    fields = {kind: {name for name in cls.__dataclass_fields__ if name != "kind"} for kind, cls in EVENTS.items()}
    assert {kind: set(said) - fields[kind] for kind, said in SAID.items() if kind != "*"} == {
        kind: set() for kind in SAID if kind != "*"
    }


@pytest.mark.parametrize("path", sorted((GOLDEN / "events").glob("*.ndjson")), ids=lambda path: path.stem)
def test_events_of_former_programs_are_as_they_say(path: Path) -> None:
    for line in path.read_bytes().splitlines():
        found = orjson.loads(line)
        validator(EVENT, found["kind"]).validate(found)


@pytest.mark.parametrize("name", ["breach", "failed"])
def test_notifications_of_former_programs_are_as_they_say(name: str) -> None:
    published(orjson.loads((GOLDEN / "notifications" / f"{name}.json").read_bytes()))


def is_valid(kind: str, document: Any) -> bool:
    """Return whether users' programs would find the document valid."""
    return bool(validator(kind).is_valid(document))


def broken(kind: str, document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document without a required key: for each object in it, without each key."""
    mutant = copy.deepcopy(document)
    for schema, value in objects(kind, mutant):
        for key in schema.get("required", ()):
            kept = dict(value)
            del value[key]
            yield f"without {key}", mutant
            value[f"{key}_"] = kept[key]
            yield f"{key} is called {key}_", mutant
            value.clear()
            value.update(kept)


@pytest.mark.parametrize("kind", CATALOG)
def test_no_key_may_be_missing_or_be_called_otherwise(kind: str) -> None:
    for document in BY_KIND[kind]:
        assert is_valid(kind, document)
        mutants = list[str]()
        for what, mutant in broken(kind, document):
            mutants.append(what)
            assert not is_valid(kind, mutant), f"{kind} is valid {what}"
        assert len(mutants) > 1


@pytest.mark.parametrize("kind", CATALOG)
def test_no_other_word_may_be_where_there_are_a_few(kind: str) -> None:
    document = copy.deepcopy(BY_KIND[kind][0])
    *way, last = WORDS[kind]
    at: Any = document
    for step in way:
        at = at[step]
    assert at[last] is not None
    at[last] = "nonsense"
    assert not is_valid(kind, document)


@pytest.mark.parametrize("kind", CATALOG)
def test_a_key_that_is_added_is_no_mistake_for_users_and_one_for_us(kind: str) -> None:
    for document in BY_KIND[kind]:
        more = document | {"added_later": 1}
        assert is_valid(kind, more)
        with pytest.raises(AssertionError, match="report/published"):
            published(more)


@pytest.mark.parametrize("kind", CATALOG)
def test_the_command_prints_the_schema_of_each_kind(kind: str) -> None:
    view = schema_command(kind).view
    assert isinstance(view, DocumentView)
    assert orjson.loads(view.text) == schema_of(kind)
    listed = schema_command(kind, listed=True).view
    assert isinstance(listed, DocumentView)
    assert any(line.split()[:2] == [kind, str(CATALOG[kind].number)] for line in listed.text.splitlines())
