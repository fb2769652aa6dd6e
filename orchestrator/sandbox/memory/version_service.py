"""Versions of the memory cloud: creating them, finding them, and tags (cloud-api#createversion, #versions)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.memory import available, bodies, builder, paging
from orchestrator.sandbox.memory.cloud_state import LATEST, Record, new_id, rfc3339
from orchestrator.sandbox.memory.core import EMPTY, TYPES, Core, Method, Start
from orchestrator.sandbox.memory.faults import BUILD_FACTOR, Fault
from orchestrator.sandbox.memory.quotas import TAGS, refuse_beyond
from orchestrator.sandbox.memory.validators import invalid

AGED = ("OBSOLETE", "GONE")
_SOURCES = ("package", "content", "versionId")
_TOO_MANY_TAGS = "The limit on maximum number of tags per function has exceeded."


class VersionService:
    """Versions and their tags."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._state = core.state
        core.methods |= {
            "createVersion": Method(
                "Create function version", "CreateFunctionVersionMetadata", self._created, self._not_created
            ),
            "deleteVersion": Method(
                "Delete function version", "DeleteFunctionVersionMetadata", self._deleted, self._not_deleted
            ),
            "setTag": Method("Set function tag", "SetFunctionTagMetadata", self._tagged),
            "removeTag": Method("Remove function tag", "RemoveFunctionTagMetadata", self._untagged),
        }

    def get(self, version_id: str) -> Record:
        self._core.settle()
        return self._answer(self._version(version_id))

    def by_tag(self, query: paging.Query) -> Record:
        """Return the one Version that has a tag, or `$latest`."""
        self._core.settle()
        paging.check_names(query, "functionId", "tag", paged=False)
        function_id, tag = paging.required(query, "functionId"), paging.required(query, "tag")
        self._core.function(function_id)
        version_id = (self._state.tags.get(function_id) or {}).get(tag)
        if version_id is None:
            raise Fault(Code.NOT_FOUND, f"Version with tag {tag} of function {function_id} not found")
        return self._answer(self._version(version_id))

    def list(self, query: paging.Query) -> Record:
        """Return a page of the Versions of a folder or of a Function; `filter` on `status`, `runtime`."""
        self._core.settle()
        paging.check_names(query, "folderId", "functionId")
        folder_id, function_id = query.get("folderId"), query.get("functionId")
        if bool(folder_id) == bool(function_id):
            raise invalid("id", "exactly one of folderId, functionId must be given")
        filters = paging.terms(query, ("status", "runtime"))
        if function_id:
            self._core.function(function_id)
            keys = self._state.versions_of_function.of(function_id)
        else:
            self._core.cloud_of(str(folder_id))
            passing = self._state.passing_in_folder.get(filters.get("status", ""))
            owned = self._state.versions_of_folder if passing is None else passing
            keys = owned.of(str(folder_id))
            keys = sorted(keys, key=self._state.versions.number) if passing is not None else keys

        settings = self._core.settings
        shown_until = rfc3339(self._core.clock() - settings.creating_after_s)

        def answer(version_id: str) -> Record | None:
            version = self._state.versions[version_id]
            shown = settings.creating_visible and version["createdAt"] <= shown_until
            lagging = settings.creating_share < 1.0 and self._core.rng.random() >= settings.creating_share
            hidden = version["status"] == "CREATING" and (not shown or lagging)
            fits = all(version[field] == value for field, value in filters.items())
            return self._answer(version) if fits and not hidden else None

        return paging.page(query, "versions", self._state.versions, keys, answer)

    def create(self, body: Any, key: str | None = None) -> Record:
        """Begin to create a Version. Its ID is known at once; it serves when the Operation is done."""
        return self._core.once("createVersion", key, body, lambda: self._create(body))

    def _create(self, body: Any) -> Record:
        known, unknown = self._core.seeds.taken(body, all_of_them=self._core.past)
        fields = bodies.create_version(known, self._core.runtimes())
        function_id = fields["functionId"]
        function = self._core.function(function_id)
        if function["status"] != "ACTIVE":
            raise Fault(Code.FAILED_PRECONDITION, f"Function {function_id} is {function['status']}")
        self._check_tags(function_id, fields.get("tag", []))
        if not self._core.past:
            available.check_named(fields, self._core.seeds)
        self._core.admit(function_id, function["folderId"])
        code, error = self._code(fields, function["folderId"])
        version_id = new_id(self._core.rng, "d4e")
        kept = {name: value for name, value in fields.items() if name not in (*_SOURCES, "tag")} | unknown
        version = {"id": version_id, "createdAt": rfc3339(self._core.clock()), **kept, "status": "CREATING"}
        factor = BUILD_FACTOR if code.get("installs") and "versionId" not in fields else 1.0
        change = {"versionId": version_id, "tags": fields.get("tag", []), "code": code}
        operation = self._core.begin(
            Start(
                "createVersion", function_id, function["folderId"], {"functionVersionId": version_id}, change, factor,
                error,
            )
        )  # fmt: skip
        self._state.put_version(version)
        return operation

    def _code(self, fields: Record, folder_id: str) -> tuple[Record, Fault | None]:
        """Return the code. What is wrong with it is the Operation's error; what does not exist is refused at once."""
        if "versionId" in fields:
            source = self._version(fields["versionId"])
            if self._core.function(source["functionId"])["folderId"] != folder_id:
                raise invalid("versionId", "the source version belongs to another folder")
            available.check_source(source, self._core.seeds)
            return self._state.codes.get(source["id"]) or {}, None
        try:
            archive = builder.open_package(fields, self._core.objects)
            builder.check_entry(archive, fields["runtime"], fields["entrypoint"])
        except Fault as fault:
            return {}, fault
        self._core.keep(archive.sha256, fields)
        installs = builder.installs(archive)
        return {"sha256": archive.sha256, "sizeBytes": archive.unpacked_bytes, "installs": installs}, None

    def _check_tags(self, function_id: str, tags: Iterable[str]) -> None:
        known = set(self._state.tags.get(function_id) or {}) - {LATEST}
        limit = self._core.active.quotas.tags_per_function
        refuse_beyond(TAGS, limit, len(known), _TOO_MANY_TAGS, more=len(set(tags) - known))

    def _created(self, pending: Record, at: str) -> Record:
        change = pending["change"]
        version = {**self._version(change["versionId"]), "status": "ACTIVE"}
        if size_bytes := change["code"].get("sizeBytes"):
            version["imageSize"] = str(size_bytes)
        self._state.put_version(version)
        self._state.codes.put(version["id"], change["code"])
        self._state.move_tags(pending["functionId"], dict.fromkeys([LATEST, *change["tags"]], version["id"]), at)
        return self._response(version)

    def _not_created(self, pending: Record) -> None:
        if pending["change"]["versionId"] in self._state.versions:
            self._state.drop_version(pending["change"]["versionId"])

    def set_tag(self, version_id: str, body: Any, key: str | None = None) -> Record:
        """Begin to give a tag to a Version; another Version of the Function loses it."""
        return self._core.once("setTag", key, [version_id, body], lambda: self._set_tag(version_id, body))

    def _set_tag(self, version_id: str, body: Any) -> Record:
        tag, version = bodies.tag(body), self._version(version_id)
        if version["status"] not in ("ACTIVE", "OBSOLETE"):
            raise Fault(Code.FAILED_PRECONDITION, f"Version {version_id} is {version['status']}")
        self._check_tags(version["functionId"], [tag])
        return self._begin("setTag", version, {"tag": tag})

    def _tagged(self, pending: Record, at: str) -> Record:
        version_id, tag = pending["change"]["versionId"], pending["change"]["tag"]
        version = self._version(version_id)
        if version["status"] == "OBSOLETE":  # a tag makes it ACTIVE again (cloud-api#versions)
            version = {**version, "status": "ACTIVE"}
            self._state.put_version(version)
        self._state.move_tags(pending["functionId"], {tag: version_id}, at)
        return self._response(version)

    def remove_tag(self, version_id: str, body: Any, key: str | None = None) -> Record:
        """Begin to remove a tag from a Version."""
        return self._core.once("removeTag", key, [version_id, body], lambda: self._remove_tag(version_id, body))

    def _remove_tag(self, version_id: str, body: Any) -> Record:
        tag, version = bodies.tag(body), self._version(version_id)
        if tag not in self._tags(version):
            raise Fault(Code.NOT_FOUND, f"Version {version_id} has no tag {tag}")
        return self._begin("removeTag", version, {"tag": tag})

    def _untagged(self, pending: Record, at: str) -> Record:
        version = self._version(pending["change"]["versionId"])
        if pending["change"]["tag"] in self._tags(version):
            self._state.move_tags(pending["functionId"], {pending["change"]["tag"]: None}, at)
        return self._response(version)

    def delete(self, version_id: str, *, force: bool = False, key: str | None = None) -> Record:
        """Begin to delete a Version: a tagged one only with `force`, `$latest` never."""
        return self._core.once("deleteVersion", key, [version_id, force], lambda: self._delete(version_id, force=force))

    def _delete(self, version_id: str, *, force: bool) -> Record:
        version = self._version(version_id)
        tags = self._tags(version)
        if version["status"] not in ("ACTIVE", "OBSOLETE"):  # what the cloud does: unverified
            raise Fault(Code.FAILED_PRECONDITION, f"Version {version_id} is {version['status']}")
        if LATEST in tags or (tags and not force):
            raise Fault(Code.FAILED_PRECONDITION, f"Version {version_id} has tags: {', '.join(tags)}")
        operation = self._begin("deleteVersion", version, {})
        self._state.put_version({**version, "status": "DELETING"})
        return operation

    def _deleted(self, pending: Record, at: str) -> Record:
        version = self._version(pending["change"]["versionId"])
        self._state.move_tags(pending["functionId"], dict.fromkeys(self._tags(version)), at)
        self._state.drop_version(version["id"])
        return EMPTY

    def _not_deleted(self, pending: Record) -> None:
        version = self._state.versions.get(pending["change"]["versionId"])
        if version is not None:
            self._state.put_version({**version, "status": "ACTIVE"})

    def age(self, version_id: str, status: str) -> None:
        """Mark a Version without tags as old: "OBSOLETE", or "GONE". Raises `ValueError`."""
        if status not in AGED:
            raise ValueError(f'"{status}" is not a later status of a version: {", ".join(AGED)}')
        version = self._state.versions.get(version_id)
        if version is None:
            if status == "GONE":
                return
            raise ValueError(f"there is no version {version_id}")
        if tags := self._tags(version):
            raise ValueError(
                f"version {version_id} has the tags {', '.join(tags)}: only a version without tags becomes old"
            )
        if status == "GONE":
            self._state.drop_version(version_id)
        else:
            self._state.put_version({**version, "status": status})

    def _begin(self, method: str, version: Record, change: Record) -> Record:
        folder_id = self._core.function(version["functionId"])["folderId"]
        self._core.admit(version["functionId"], folder_id)
        metadata = {"functionVersionId": version["id"]}
        return self._core.begin(
            Start(method, version["functionId"], folder_id, metadata, {"versionId": version["id"], **change})
        )

    def _version(self, version_id: str) -> Record:
        found = self._state.versions.get(version_id)
        if found is None:
            raise Fault(Code.NOT_FOUND, f"Version {version_id} not found")
        return found

    def _tags(self, version: Record) -> tuple[str, ...]:
        tags = self._state.tags.get(version["functionId"]) or {}
        return tuple(tag for tag, version_id in tags.items() if version_id == version["id"])

    def _answer(self, version: Record) -> Record:
        tags, own = self._tags(version), self._core.seeds.own_fields()
        return {**own, **version, **({"tags": [*tags]} if tags else {})} if tags or own else version

    def _response(self, version: Record) -> Record:
        return {"@type": f"{TYPES}Version", **self._answer(version)}
