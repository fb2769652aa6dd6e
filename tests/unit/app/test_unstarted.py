"""Which ends before a run are reported: where nobody reads what the command prints."""

from __future__ import annotations

import pytest

from orchestrator.app.session.notices.unstarted import is_reported
from orchestrator.errors import Exit


@pytest.mark.parametrize("code", [Exit.FAILED, Exit.USAGE, Exit.INTERRUPTED, Exit.LOCKED, Exit.NOT_STARTED])
@pytest.mark.parametrize("due", [False, True])
def test_what_is_reported(code: Exit, due: bool) -> None:
    assert not is_reported(code, attended=True, due=due)
    assert is_reported(code, attended=False, due=due) is not (due and code == Exit.LOCKED)
