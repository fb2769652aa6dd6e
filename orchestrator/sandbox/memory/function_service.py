"""Functions of the memory cloud (cloud-api#functions)."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.memory import bodies, paging
from orchestrator.sandbox.memory.cloud_state import Record, Table, new_id, rfc3339
from orchestrator.sandbox.memory.core import EMPTY, TYPES, Core, Method, Start
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.quotas import FUNCTIONS, refuse_beyond


class FunctionService:
    """Everything about Functions except their Versions."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._state = core.state
        core.methods |= {
            "create function": Method("Create function", "CreateFunctionMetadata", self._created, self._not_created),
            "update function": Method("Update function", "UpdateFunctionMetadata", self._updated),
            "delete function": Method("Delete function", "DeleteFunctionMetadata", self._deleted, self._not_deleted),
        }

    def list(self, query: paging.Query) -> Record:
        """Return a page of a folder's Functions; `filter` on `name`."""
        self._core.settle()
        paging.check_names(query, "folderId")
        folder_id = paging.required(query, "folderId")
        name = paging.terms(query, ("name",)).get("name")
        self._core.cloud_of(folder_id)

        def answer(function_id: str) -> Record | None:
            function = self._state.functions[function_id]
            return self._answer(function) if name in (None, function.get("name", "")) else None

        keys = self._state.functions_of_folder.of(folder_id)
        return paging.page(query, "functions", self._state.functions, keys, answer)

    def get(self, function_id: str) -> Record:
        self._core.settle()
        return self._answer(self._core.function(function_id))

    def _answer(self, function: Record) -> Record:
        return {**function, "httpInvokeUrl": f"{self._core.invoke_url}/{function['id']}"}

    def runtimes(self) -> Record:
        return {"runtimes": list(self._core.runtimes())}

    def tag_history(self, function_id: str, query: paging.Query) -> Record:
        """Return a page of which Version had which tag from when to when, the oldest first. `filter` on `effectiveFrom`
        and `effectiveTo`. For a tag that is still held, `effectiveTo` is later than any time (what the cloud does:
        unverified).
        """
        self._core.settle()
        paging.check_names(query, "tag")
        self._core.function(function_id)
        tag, fits = str(query.get("tag") or ""), paging.within_times(query, ("effectiveFrom", "effectiveTo"))
        records = Table("tagHistory")
        for number, record in enumerate((self._state.history.get(function_id) or {"records": []})["records"]):
            records.put(str(number), record)

        def answer(key: str) -> Record | None:
            record = records[key]
            return record if tag in ("", record["tag"]) and fits(record) else None

        return paging.page(query, "functionTagHistoryRecord", records, list(records), answer)

    def create(self, body: Any, key: str | None = None) -> Record:
        """Begin to create a Function. It is CREATING until the Operation is done."""
        return self._core.once("create function", key, body, lambda: self._create(body))

    def _create(self, body: Any) -> Record:
        fields = bodies.create_function(body)
        folder_id, name = fields["folderId"], fields.get("name")
        cloud_id = self._core.cloud_of(folder_id)
        if name and (folder_id, name) in self._state.function_names:
            raise Fault(Code.ALREADY_EXISTS, f"Function with name {name} already exists in folder {folder_id}")
        limit = self._core.active.quotas.functions_per_cloud
        message = "The limit on maximum number of functions has exceeded."
        refuse_beyond(FUNCTIONS, limit, self._core.count_functions(cloud_id), message)
        function_id = new_id(self._core.rng, "d4e")
        self._core.admit(function_id, folder_id)
        self._state.put_function(
            {
                "id": function_id,
                "folderId": folder_id,
                "createdAt": rfc3339(self._core.clock()),
                "name": name or "",
                **{field: fields[field] for field in ("description", "labels") if field in fields},
                "status": "CREATING",
            }
        )
        return self._core.begin(Start("create function", function_id, folder_id, {"functionId": function_id}))

    def _created(self, pending: Record, _at: str) -> Record:
        return self._put(pending, {"status": "ACTIVE"})

    def _not_created(self, pending: Record) -> None:
        if pending["functionId"] in self._state.functions:
            self._state.drop_function(pending["functionId"])

    def update(self, function_id: str, body: Any, key: str | None = None) -> Record:
        """Begin to change what `updateMask` names. Without it, what the body omits is reset."""
        return self._core.once("update function", key, [function_id, body], lambda: self._update(function_id, body))

    def _update(self, function_id: str, body: Any) -> Record:
        changed = bodies.update_function(body)
        function = self._core.function(function_id)
        name, folder_id = changed.get("name"), function["folderId"]
        if name and self._state.function_names.get((folder_id, name), function_id) != function_id:
            raise Fault(Code.ALREADY_EXISTS, f"Function with name {name} already exists in folder {folder_id}")
        self._core.admit(function_id, folder_id)
        if "name" in changed:
            changed["name"] = name or ""
        return self._core.begin(
            Start("update function", function_id, folder_id, {"functionId": function_id}, {"fields": changed})
        )

    def _updated(self, pending: Record, _at: str) -> Record:
        return self._put(pending, pending["change"]["fields"])

    def _put(self, pending: Record, changed: Record) -> Record:
        function = {**self._core.function(pending["functionId"]), **changed}
        function = {field: value for field, value in function.items() if value is not None}
        self._state.put_function(function)
        return {"@type": f"{TYPES}Function", **self._answer(function)}

    def delete(self, function_id: str, key: str | None = None) -> Record:
        """Begin to delete a Function with all its Versions."""
        return self._core.once("delete function", key, function_id, lambda: self._delete(function_id))

    def _delete(self, function_id: str) -> Record:
        function = self._core.function(function_id)
        self._core.admit(function_id, function["folderId"])
        operation = self._core.begin(
            Start("delete function", function_id, function["folderId"], {"functionId": function_id})
        )
        self._state.put_function({**function, "status": "DELETING"})
        return operation

    def _deleted(self, pending: Record, _at: str) -> Record:
        self._core.function(pending["functionId"])
        self._state.drop_function(pending["functionId"])
        return EMPTY

    def _not_deleted(self, pending: Record) -> None:
        if pending["functionId"] in self._state.functions:
            self._put(pending, {"status": "ACTIVE"})
