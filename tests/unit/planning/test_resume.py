"""A unit of a former run is a Function of a folder; what the manifest called it is only a label."""

from __future__ import annotations

import pytest

from orchestrator.journal.unit_state import UnitState
from orchestrator.planning.resume import named_now
from tests.builders import spec

# what the run knew of the unit, what the manifest declares now → the unit's key now, whether it is still declared
TABLE: list[tuple[str, UnitState, dict[str, dict[str, str]], str, bool]] = [
    ("the same", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "api"}}, "api", True),
    ("another key", UnitState("api", "api", "one", "d4e1"), {"new": {"name": "api"}}, "new", True),
    ("another name, the id", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "x", "id": "d4e1"}}, "api", True),
    ("no id yet", UnitState("api", "api", "one", ""), {"new": {"name": "api"}}, "new", True),
    ("another id", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "api", "id": "d4e2"}}, "one/api", False),
    ("its key taken", UnitState("api", "api", "one", "d4e1"), {"api": {"name": "other"}}, "one/api", False),
    ("another folder", UnitState("api", "api", "two", "d4e1"), {"api": {"name": "api"}}, "two/api", False),
    ("not declared", UnitState("api", "api", "one", "d4e1"), {"other": {"name": "other"}}, "api", False),
    ("a name that is none", UnitState("d4e1", "", "one", "d4e1"), {"d4e1": {"name": "x"}}, "one/d4e1", False),
]


@pytest.mark.parametrize(
    ("unit", "declared", "key", "is_declared"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_units_are_found_by_folder_and_function(
    unit: UnitState, declared: dict[str, dict[str, str]], key: str, is_declared: bool
) -> None:
    specs = {name: spec(name, folder_id="one", **values) for name, values in declared.items()}
    found, gone = named_now({unit.key: unit}, specs)
    (both,) = [*found.items(), *gone.items()]
    assert both[0] == both[1].key == key
    assert bool(found) is is_declared
    assert (both[1].name, both[1].function_id) == (unit.name, unit.function_id)


def test_a_function_whose_name_cannot_be_told_is_found_by_its_key() -> None:
    """Its mistakes are said then, in place of its loss."""
    unit = UnitState("api", "api", "one", "d4e1")
    for untold, is_found in ((frozenset({"name"}), True), (frozenset[str](), False)):
        found, _ = named_now({"api": unit}, {"api": spec("api", folder_id="one", name="?", untold=untold)})
        assert bool(found) is is_found
