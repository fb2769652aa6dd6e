"""The operation service of the memory cloud."""

from __future__ import annotations

from orchestrator.errors import Code
from orchestrator.sandbox.memory import paging
from orchestrator.sandbox.memory.core import Core
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.state import Record


class OperationService:
    """Operations as they are now."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get(self, operation_id: str) -> Record:
        """Answer an Operation; a new one may not be known yet."""
        self._core.settle()
        row = self._core.state.operations.get(operation_id)
        pending = self._core.state.pending.get(operation_id)
        hidden = pending is not None and self._core.clock() < pending["knownAt"]
        if row is None or hidden:
            raise Fault(Code.NOT_FOUND, f"Operation {operation_id} not found")
        operation: Record = row["json"]
        return operation

    def cancel(self, operation_id: str) -> Record:
        """Refuse: nothing marks an Operation of Functions as one that can be cancelled (cloud-api §3)."""
        self.get(operation_id)
        raise Fault(Code.FAILED_PRECONDITION, f"Operation {operation_id} can not be cancelled")

    def list(self, function_id: str, query: paging.Query) -> Record:
        """Answer a page of the Operations of a Function and its Versions; `filter` on `done`, `created_by`."""
        self._core.settle()
        paging.check_names(query)
        wanted = paging.terms(query, ("done", "created_by", "createdBy"))
        self._core.function(function_id)
        author = wanted.get("created_by", wanted.get("createdBy"))

        def answer(operation_id: str) -> Record | None:
            operation: Record = self._core.state.operations[operation_id]["json"]
            done = "true" if operation.get("done") else "false"
            fits = wanted.get("done", done) == done and author in (None, operation["createdBy"])
            return operation if fits else None

        keys = self._core.state.operations_of_function.of(function_id)
        return paging.page(query, "operations", self._core.state.operations, keys, answer)
