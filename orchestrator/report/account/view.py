"""The value that `report` returns. A module of its own: every command imports all views, and few need this one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.report.account.values import Account


@dataclass(frozen=True, slots=True)
class ReportView:
    """What `report` shows of a run."""

    account: Account

    def words(self) -> Iterable[str]:
        """Return the words that are not secrets."""
        for one in self.account.functions:
            yield from (one.function, one.name, one.folder_id, one.function_id, one.old_version_id, one.new_version_id)
            yield from (operation.operation_id for operation in one.operations)
        yield from (run.run_id for run in self.account.runs)
