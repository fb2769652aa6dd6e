"""The content of the memory cloud: tables of JSON records, their owners, and what has changed.

A record is replaced, never changed in place, so earlier answers stay as they were.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
Change = tuple[str, str, int, Record | None]  # table, key, sequence number, record (None: deleted)

LATEST = "$latest"
_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Table:
    """Records by key, in order of creation. Each has a sequence number, which paging uses."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.changed: dict[str, None] = {}
        self._rows: dict[str, Record] = {}
        self._numbers: dict[str, int] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def get(self, key: str) -> Record | None:
        return self._rows.get(key)

    def __getitem__(self, key: str) -> Record:
        return self._rows[key]

    def values(self) -> Iterable[Record]:
        return self._rows.values()

    def number(self, key: str) -> int:
        return self._numbers.get(key, 0)

    def put(self, key: str, record: Record) -> None:
        self.load(key, self._numbers.get(key) or self._last + 1, record)
        self.changed[key] = None

    def drop(self, key: str) -> None:
        if self._rows.pop(key, None) is not None:
            self.changed[key] = None
            del self._numbers[key]

    def load(self, key: str, number: int, record: Record) -> None:
        """Restore a stored record. Records come in order of their numbers."""
        self._rows[key] = record
        self._numbers[key] = number
        self._last = max(self._last, number)


class Owned:
    """Keys by owner, in order of creation."""

    def __init__(self) -> None:
        self._keys: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def of(self, owner: str) -> list[str]:
        return list(self._keys.get(owner, ()))

    def counts(self) -> dict[str, int]:
        """Return how many keys each owner has."""
        return {owner: len(keys) for owner, keys in self._keys.items()}

    def add(self, owner: str, key: str) -> None:
        self._keys[owner][key] = None

    def remove(self, owner: str, key: str) -> None:
        self._keys[owner].pop(key, None)


class State:
    """All tables. `tags`: function ID → {tag: version ID}. `history`: function ID → its tag moves. `pending`: what
    unfinished Operations will do. `keys`: Idempotency-Keys. `codes`: version ID → facts of its package. `scaling`:
    function ID → {tag: policy}. `access`: function ID → its bindings.
    """

    def __init__(self, kept: Iterable[Change] = ()) -> None:
        self.functions = Table("functions")
        self.versions = Table("versions")
        self.operations = Table("operations")  # {"functionId": …, "json": the Operation}
        self.tags = Table("tags")
        self.history = Table("history")
        self.pending = Table("pending")
        self.keys = Table("keys")
        self.codes = Table("codes")
        self.scaling = Table("scaling")
        self.access = Table("access")
        self._tables = {table.name: table for table in vars(self).values() if isinstance(table, Table)}
        self.function_names: dict[tuple[str, str], str] = {}  # (folder ID, name) → Function ID
        self.functions_of_folder = Owned()
        self.versions_of_folder = Owned()
        self.versions_of_function = Owned()
        # Versions by status: few among many, and read often.
        self.passing_in_folder = {"CREATING": Owned(), "DELETING": Owned()}
        self.operations_of_function = Owned()
        for name, key, number, record in kept:
            if record is not None:
                self._tables[name].load(key, number, record)
        for key in self.functions:
            self._own_function(self.functions[key])
        for key in self.versions:
            self._own_version(key)
        for key in self.operations:
            self.operations_of_function.add(self.operations[key]["functionId"], key)

    def changes(self) -> list[Change]:
        """Return and reset what has changed since the last call, for saving."""
        found = []
        for table in self._tables.values():
            found += [(table.name, key, table.number(key), table.get(key)) for key in table.changed]
            table.changed.clear()
        return found

    def put_function(self, function: Record) -> None:
        before = self.functions.get(function["id"])
        if before is not None:
            self.function_names.pop((before["folderId"], before["name"]), None)
        self.functions.put(function["id"], function)
        self._own_function(function)

    def drop_function(self, function_id: str) -> None:
        """Delete a Function with all its Versions. Its Operations stay."""
        for version_id in self.versions_of_function.of(function_id):
            self.drop_version(version_id)
        function = self.functions[function_id]
        self.functions_of_folder.remove(function["folderId"], function_id)
        self.function_names.pop((function["folderId"], function["name"]), None)
        for table in (self.tags, self.history, self.scaling, self.access, self.functions):
            table.drop(function_id)

    def put_version(self, version: Record) -> None:
        self.versions.put(version["id"], version)
        self._own_version(version["id"])

    def drop_version(self, version_id: str) -> None:
        version = self.versions[version_id]
        function_id, folder_id = version["functionId"], self.functions[version["functionId"]]["folderId"]
        self.versions_of_function.remove(function_id, version_id)
        self.versions_of_folder.remove(folder_id, version_id)
        for passing in self.passing_in_folder.values():
            passing.remove(folder_id, version_id)
        self.versions.drop(version_id)
        self.codes.drop(version_id)

    def _own_function(self, function: Record) -> None:
        self.functions_of_folder.add(function["folderId"], function["id"])
        if function["name"]:
            self.function_names[function["folderId"], function["name"]] = function["id"]

    def _own_version(self, version_id: str) -> None:
        version = self.versions[version_id]
        folder_id = self.functions[version["functionId"]]["folderId"]
        self.versions_of_function.add(version["functionId"], version_id)
        self.versions_of_folder.add(folder_id, version_id)
        for status, passing in self.passing_in_folder.items():
            if version["status"] == status:
                passing.add(folder_id, version_id)
            else:
                passing.remove(folder_id, version_id)

    def move_tags(self, function_id: str, moved: dict[str, str | None], at: str) -> None:
        """Give tags to versions (None: remove them), and record it in the history."""
        tags = dict(self.tags.get(function_id) or {})
        records = list((self.history.get(function_id) or {"records": []})["records"])
        for tag, version_id in moved.items():
            if tags.get(tag) == version_id:
                continue
            if tag in tags:
                del tags[tag]
                open_at = next(i for i in reversed(range(len(records))) if records[i]["tag"] == tag)
                records[open_at] = {**records[open_at], "effectiveTo": at}
            if version_id is not None:
                tags[tag] = version_id
                records.append(
                    {"functionId": function_id, "functionVersionId": version_id, "tag": tag, "effectiveFrom": at}
                )
        self.tags.put(function_id, tags)
        self.history.put(function_id, {"records": records})


def new_id(rng: random.Random, prefix: str) -> str:
    """Return an ID that looks like the cloud's: a prefix of three and 17 characters."""
    return prefix + "".join(rng.choices(_ID_CHARACTERS, k=17))


def rfc3339(seconds: float) -> str:
    """Format a time (seconds since the epoch) like the cloud, with 9 fractional digits."""
    whole, nanos = divmod(round(seconds * 1e9), 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
