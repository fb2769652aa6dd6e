"""With on_breach = "rollback": what a breach leads to, what goes back at once, and what two phases leave where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.engine.verdicts import leads_to, rolled_back_code
from orchestrator.errors import Exit
from orchestrator.journal.events import Breached, OperationAccepted
from orchestrator.journal.state import fold
from orchestrator.model import Failed, Rollout, Step
from orchestrator.planning.back.touched import touched_by
from tests.engine import Bench
from tests.flow.test_rollback import live, tag_holders
from tests.flow.test_run import kinds

HEAD = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
verify = { payload = {}, safe = true }
promote = ["stable"]
"""
BACK = Rollout(max_failures=2, on_breach="rollback")


def manifest(source: str, count: int = 4) -> str:
    return HEAD + "".join(
        f'[functions.fun-{n}]\nsource = "{source}"\nlabels = {{ source = "{source}" }}\n' for n in range(count)
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    for number, source in enumerate(("src", "newer")):
        (tmp_path / source).mkdir()
        (tmp_path / source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
    return Bench(tmp_path, durations="fixed:1")


@pytest.mark.parametrize(
    ("on_breach", "two_phase", "failed", "others", "then"),
    [
        ("stop", False, True, True, "stop"),
        ("pause", False, True, True, "pause"),
        ("rollback", False, True, True, "rollback"),
        ("rollback", False, False, True, "stop"),
        ("rollback", False, False, False, "stop"),
        ("stop", True, False, True, "rollback"),
        ("stop", True, False, False, "stop"),
    ],
)
def test_what_a_breach_leads_to(on_breach: str, two_phase: bool, failed: bool, others: bool, then: str) -> None:
    assert leads_to(on_breach, two_phase=two_phase, failed_touched=failed, any_touched=others or failed) == then


@pytest.mark.parametrize(("back", "code"), [(0, 5), (1, 1), (3, 3), (4, 1)])
def test_the_exit_code_of_a_run_that_was_rolled_back(back: int, code: int) -> None:
    assert rolled_back_code(back) == Exit(code)
