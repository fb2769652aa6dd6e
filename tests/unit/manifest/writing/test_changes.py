"""Whatever the desired keys of a function are, its own table has them afterwards, and no other function changes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.manifest.load import Survey, survey
from orchestrator.manifest.writing.changes import changes_of, slot_differences
from orchestrator.manifest.writing.editing import REMOVED, edited
from orchestrator.manifest.writing.shared_tables import edits_by_file
from orchestrator.manifest.writing.spelling import spelled
from orchestrator.manifest.writing.toml_text import literal
from orchestrator.model import Settings
from tests.live import imported, live_function, live_state
from tests.settings import any_settings


def read(folder: str, text: str) -> Survey:
    path = Path(folder) / "deploy.toml"
    path.write_text(text, "utf-8")
    found = survey(path, {})
    assert found.mistakes == (), text
    return found


def plain(settings: Settings) -> dict[str, Any]:
    """Return settings in a comparable form: the order of unordered ones does not matter."""
    return {
        key: sorted(value, key=repr) if isinstance(value, list) else value for key, value in spelled(settings).items()
    }


def rewritten(text: str, desired: dict[str, Settings], *, shared: bool) -> str:
    with TemporaryDirectory() as folder:
        found = read(folder, text)
        tables = {found.main.path: tomllib.loads(text)}
        changes = []
        for key, settings in desired.items():
            before, after = spelled(found.manifest.functions[key].settings), spelled(settings)
            slots = {slot: literal(value) if value is not REMOVED else value
                     for slot, value in slot_differences(before, after).items()}  # fmt: skip
            made = changes_of(found.drafts[key], slots, tables)
            assert made.left == []
            changes += made.changes
        edits = edits_by_file(changes, found.drafts if shared else {})
        return edited(text, edits.get(found.main.path, []))


def check(before: list[Settings], after: list[Settings], *, shared: bool) -> None:
    live = live_state([live_function(f"fn-{number}", one) for number, one in enumerate(before)])
    _, text = imported(live)
    if "${" in text.replace("$${", ""):
        return  # looks like a secret
    with TemporaryDirectory() as folder:
        keys = [key for key, spec in read(folder, text).manifest.functions.items() if spec.enabled]
        others = {key: plain(spec.settings) for key, spec in read(folder, text).manifest.functions.items()}
    desired = {f"fn-{number}": one for number, one in enumerate(after) if f"fn-{number}" in keys}
    made = rewritten(text, desired, shared=shared)
    with TemporaryDirectory() as folder:
        for key, spec in read(folder, made).manifest.functions.items():
            assert plain(spec.settings) == (plain(desired[key]) if key in desired else others[key])


@given(
    st.lists(any_settings(), min_size=1, max_size=4), st.lists(any_settings(), min_size=1, max_size=3), st.booleans()
)
@hypothesis_settings(max_examples=12, deadline=None)
def test_a_manifest_says_what_is_desired_afterwards(
    before: list[Settings], after: list[Settings], shared: bool
) -> None:
    check(before, after[: len(before)], shared=shared)


MANIFEST = """\
[cloud]
folder_id = "b1g"

[defaults]
runtime = "python311"        # all of us
entrypoint = "index.handler"
memory = "128MB"
version_id = "$latest"

[templates.web]
environment = { LEVEL = "info", REGION = "${REGION}" }

[functions]
one = { use = ["web"] }
two = { use = ["web"], runtime = "python311" }
three = {}
"""


def test_what_all_change_alike_changes_where_it_stands() -> None:
    with TemporaryDirectory() as folder:
        found = read(folder, MANIFEST.replace("${REGION}", "x"))
    tables = {found.main.path: tomllib.loads(MANIFEST)}
    all_of_them = [changes_of(draft, {("runtime",): "python312"}, tables) for draft in found.drafts.values()]
    changes = [change for made in all_of_them for change in made.changes]
    made = edited(MANIFEST, edits_by_file(changes, found.drafts)[found.main.path])
    assert 'runtime = "python312"        # all of us' in made
    assert 'two = { use = ["web"], runtime = "python312" }' in made
    assert "one = { use" in made
    some = [change for change in changes if change.function != "three"]
    made = edited(MANIFEST, edits_by_file(some, found.drafts)[found.main.path])
    assert 'runtime = "python311"        # all of us' in made
    assert 'one = { use = ["web"], runtime = "python312" }' in made
    level = [changes_of(found.drafts[key], {("environment", "LEVEL"): "warn"}, tables) for key in ("one", "two")]
    made = edited(MANIFEST, edits_by_file([one.changes[0] for one in level], found.drafts)[found.main.path])
    assert 'environment = { LEVEL = "warn", REGION = "${REGION}" }' in made
    made = edited(MANIFEST, edits_by_file([one.changes[0] for one in level], {})[found.main.path])
    assert 'one = { use = ["web"], environment = { LEVEL = "warn" } }' in made


@pytest.mark.parametrize("value", ["other", REMOVED])
def test_a_variable_is_left_alone_and_named(value: Any) -> None:
    with TemporaryDirectory() as folder:
        found = read(folder, MANIFEST.replace("${REGION}", "x"))
    tables = {found.main.path: tomllib.loads(MANIFEST)}
    made = changes_of(found.drafts["one"], {("environment", "REGION"): value}, tables)
    assert made.changes == []
    assert [(one.function, one.slot) for one in made.left] == [("one", ("environment", "REGION"))]
    assert made.left[0].place.endswith("deploy.toml:11")


def test_what_is_gone_is_taken_away_from_what_is_inherited() -> None:
    with TemporaryDirectory() as folder:
        found = read(folder, MANIFEST.replace("${REGION}", "x"))
    tables = {found.main.path: tomllib.loads(MANIFEST)}
    made = changes_of(found.drafts["one"], {("environment", "LEVEL"): REMOVED}, tables)
    text = edited(MANIFEST, edits_by_file(made.changes, {})[found.main.path])
    assert 'one = { use = ["web"], without = ["environment.LEVEL"] }' in text
