"""The tag histories of many functions are read several at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from orchestrator.errors import CloudError, Code
from orchestrator.planning.back.former import read_histories
from orchestrator.prediction.virtual_time import run


class Asked:
    """Answers each question after a second. `most`: the maximum of simultaneous questions."""

    def __init__(self, refused: str = "") -> None:
        self.functions: Any = self
        self.refused, self.most, self._now = refused, 0, 0

    async def read(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return await call()

    async def tag_history(self, function_id: str) -> tuple[str, ...]:
        self._now += 1
        self.most = max(self.most, self._now)
        await anyio.sleep(1.0)
        self._now -= 1
        if function_id == self.refused:
            raise CloudError("no", call="listTagHistory", code=Code.PERMISSION_DENIED)
        return (function_id,)


def test_histories_are_read_a_few_at_once() -> None:
    asked: Any = Asked()
    ids = [f"d4e-{number}" for number in range(20)]
    found: Any = run(lambda: read_histories(asked, ids))
    assert found == {one: (one,) for one in ids}
    assert asked.most == 8


def test_one_that_is_refused_is_reported_as_it_is() -> None:
    asked: Any = Asked("d4e-1")
    with pytest.raises(CloudError, match="no"):
        run(lambda: read_histories(asked, ["d4e-0", "d4e-1"]))
