"""What `report` gives back. Light: every command knows all kinds of views, and few make this one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.report.account.values import Account


@dataclass(frozen=True, slots=True)
class ReportView:
    """What `report` tells of a run."""

    account: Account

    def words(self) -> Iterable[str]:
        """Give the words that are no secrets."""
        for one in self.account.functions:
            yield from (one.function, one.name, one.folder_id, one.function_id, one.old_version_id, one.new_version_id)
            yield from (operation.operation_id for operation in one.operations)
        yield from (run.run_id for run in self.account.runs)
