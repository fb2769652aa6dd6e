"""docs/json.md and docs/events.md are generated from the schemas, and their examples are valid."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

import orchestrator
from orchestrator.model import Step
from orchestrator.report.published.catalog import CATALOG
from tests.pages import DOCS
from tests.pages.json_words import FAILURE_KINDS, WORDS
from tests.published import EVENT, kind_of, schema_of, validator

ROOT = Path(orchestrator.__file__).parent
_EXAMPLE = re.compile(r"(?ms)^```json\n(.*?)^```$")


def test_each_kind_has_an_example_that_is_as_its_schema_says() -> None:
    shown = set[str]()
    for name in ("json.md", "events.md"):
        for text in _EXAMPLE.findall((DOCS / name).read_text("utf-8")):
            example = orjson.loads(text)
            kind = kind_of(example)
            validator(kind).validate(example)
            shown.add(kind)
    assert shown == {*CATALOG}


@pytest.mark.parametrize("name", WORDS)
def test_each_word_has_a_meaning(name: str) -> None:
    words, meanings = WORDS[name]
    assert [str(word) for word in words] == list(meanings)


def test_each_kind_of_failure_has_a_meaning() -> None:
    spelled = {kind for path in sorted(ROOT.rglob("*.py")) for kind in kinds_in(path)}
    assert spelled | {str(Step.BUILD), str(Step.PACKAGE)} == set(FAILURE_KINDS)  # these by `of_package(error, step)`


def kinds_in(path: Path) -> Iterator[str]:
    """Return the kinds of failures that a module creates: spelled out, or by the name of a constant."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        given = [one.value for one in node.keywords if one.arg == "kind"] if name == "Failure" else []
        for expression in given + (node.args[1:2] if name == "of_package" else []):
            yield from _texts(expression, path)


def _texts(expression: ast.expr, path: Path) -> Iterator[str]:
    if isinstance(expression, ast.IfExp):
        yield from (*_texts(expression.body, path), *_texts(expression.orelse, path))
    elif isinstance(expression, ast.Constant):
        yield str(expression.value)
    elif isinstance(expression, ast.Name):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        if isinstance(found := getattr(importlib.import_module(module), expression.id, None), str):
            yield found


def test_the_kind_of_an_event_is_described_once() -> None:
    text = (DOCS / "events.md").read_text("utf-8")
    headings = re.findall(r"(?m)^## (\w+)$", text)
    kinds = schema_of(EVENT)["properties"]["kind"]["enum"]
    assert [name for name in headings if name in kinds] == kinds
