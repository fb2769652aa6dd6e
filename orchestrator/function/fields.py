"""The settings of a Function itself, independent of its Versions: ONE ROW PER FIELD, as in `version.fields`.

Labels and description change by an update of the Function, scaling policies and access by calls of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from orchestrator.function.access import access_request, desired_roles, opens
from orchestrator.function.scaling import COUNTS, desired_policies, scaling_request
from orchestrator.model import NONE_LEFT, ApiRequest, Change, ChangeKind, Function, FunctionSpec
from orchestrator.version.codec import Codec, only_set
from orchestrator.version.codecs import Text, TextMap
from orchestrator.version.stamp import digest_of, key_of

_PATH = "/functions/v1/functions"


@dataclass(frozen=True, slots=True)
class FunctionField:
    """One field of a Function. `setting`: in `model.FunctionSpec`. `api`: in the API's JSON. `live`: in
    `model.Function`. `label`: of one of its values in messages. `mapped`: a map. Its declared entries are ours, and all
    of it if `exact`, a flag of `FunctionSpec`, is set. `kind`: of the change that makes it; except for updates, `api`
    is our own name for it.
    """

    setting: str
    api: str
    codec: Codec
    live: str
    label: str
    mapped: bool = False
    exact: str = ""
    updated: bool = True  # can be changed on an existing Function
    kind: ChangeKind = ChangeKind.UPDATE


FUNCTION_FIELDS = (
    FunctionField("name", "name", Text(), "name", "name", updated=False),
    FunctionField("labels", "labels", TextMap(), "labels", "label", mapped=True, exact="labels_exact"),
    FunctionField("function_description", "description", Text(), "description", "function description"),
    FunctionField(
        "scaling", "scaling", Codec(), "scaling", "scaling of", mapped=True, exact="scaling_exact",
        kind=ChangeKind.SCALING,
    ),
    FunctionField("public", "public", Codec(), "public", "role of everyone", mapped=True, kind=ChangeKind.ACCESS),
)  # fmt: skip
_BY_API = {row.api: row for row in FUNCTION_FIELDS}
_ABSENT = object()


def function_request(
    folder_id: str, name: str, labels: Mapping[str, str], description: str | None = None
) -> ApiRequest:
    """Return the request for a new Function."""
    given = {"name": name, "labels": labels, "function_description": description}
    fields = {row.api: row.codec.encode(given[row.setting]) for row in FUNCTION_FIELDS if given.get(row.setting)}
    return ApiRequest("create function", "POST", _PATH, only_set({"folderId": folder_id, **fields}))


def function_key(
    folder_id: str, name: str, labels: Mapping[str, str], attempt: int, description: str | None = None
) -> str:
    """Return the Idempotency-Key of creating a Function: from everything in its body, and the attempt."""
    settings = {"labels": dict(labels), **({"description": description} if description else {})}
    return key_of("create", folder_id, name, digest_of(settings), str(attempt))


def own_changes(spec: FunctionSpec, function: Function) -> tuple[Change, ...]:
    """Return the changes of a Function's own settings: one for everything in an update, one for the policy of each tag,
    one for all roles. What was not read of the Function does not change.

    What is left as it is live (`spec.as_live`) does not change once the Function exists. `before` and `after` have
    names of fields, in an update those of the API. Their values are a text, or the entries of a map that change, None
    for a missing one.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    others: list[Change] = []
    left = spec.as_live if function.id else NONE_LEFT
    for row in FUNCTION_FIELDS:
        desired, live = desired_of(row, spec, function), getattr(function, row.live)
        if not row.updated or desired is None or live is None or left.has(row.setting):
            continue
        if not row.mapped:
            if desired != live:
                before[row.api], after[row.api] = live, desired
            continue
        names = {*desired, *(live if row.exact and getattr(spec, row.exact) else ())}
        ours = (name for name in names if not left.has(row.setting, name))
        changed = sorted(name for name in ours if desired.get(name) != live.get(name))
        was, now = ({name: one.get(name) for name in changed} for one in (live, desired))
        if row.kind is ChangeKind.UPDATE:
            before |= {row.api: was} if changed else {}
            after |= {row.api: now} if changed else {}
        elif row.kind is ChangeKind.SCALING:
            others += [Change(row.kind, {row.api: {tag: was[tag]}}, {row.api: {tag: now[tag]}}) for tag in changed]
        else:
            others += [Change(row.kind, {row.api: was}, {row.api: now})] if changed else []
    return (*([Change(ChangeKind.UPDATE, before, after)] if after else []), *others)


def desired_of(row: FunctionField, spec: FunctionSpec, function: Function) -> Any:
    """Return the desired value of a field, in the form of the live one; None: no change."""
    if row.kind is ChangeKind.SCALING:
        return desired_policies(spec.scaling, function.scaling or {})
    if row.kind is ChangeKind.ACCESS:
        return desired_roles(spec.public, function.public or {})
    return getattr(spec, row.setting)


def desired_otherwise(spec: FunctionSpec, function: Function | None, after: Mapping[str, Any]) -> bool:
    """Return whether a Function's desired own settings now differ from what former changes were to make: their `after`,
    {} for none, see `made_of`. What is live already does not count. `function`: None if it does not exist yet.
    """
    function = function or unmade(spec)
    then, now = _entries(after), _entries(made_of(own_changes(spec, function)))
    live = {row.api: getattr(function, row.live) for row in FUNCTION_FIELDS}

    def is_live(name: str, key: str, value: Any) -> bool:
        held = live[name]
        return bool(((held or {}).get(key) if _BY_API[name].mapped else held) == value)

    return any(then.get(at, _ABSENT) != value for at, value in now.items()) or any(
        now.get(at, _ABSENT) != value and not is_live(*at, value) for at, value in then.items()
    )


def made_of(changes: Iterable[Change]) -> dict[str, Any]:
    """Return what several changes make of a Function's own settings, combined into one `after`."""
    found: dict[str, Any] = {}
    for change in changes:
        for name, value in change.after.items():
            found[name] = {**found.get(name, {}), **value} if isinstance(value, Mapping) else value
    return found


def unmade(spec: FunctionSpec) -> Function:
    """Return a Function as it is just after its creation, before anything is set."""
    return Function("", spec.folder_id, spec.name, scaling={}, public={})


def _entries(after: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return what a change makes, one by one: by the API's name of the field, and the entry's name in a map."""
    rows = [row for row in FUNCTION_FIELDS if row.updated and row.api in after]
    return {
        (row.api, key): value
        for row in rows
        for key, value in (after[row.api].items() if row.mapped else [("", after[row.api])])
    }


def is_alike(one: Function, other: Function, kind: ChangeKind) -> bool:
    """Return whether two readings of a Function agree on what a kind of change is about."""
    rows = [row for row in FUNCTION_FIELDS if row.updated and row.kind is kind]
    return all(getattr(one, row.live) == getattr(other, row.live) for row in rows)


def is_made(function: Function, change: Change) -> bool:
    """Return whether the settings of one of `own_changes` were read, and are as it makes them."""
    return own_request(function, change) is None and all(
        getattr(function, _BY_API[name].live) is not None for name in change.after
    )


def still_as(function: Function, settings: Mapping[str, Any]) -> bool:
    """Return whether a Function's own settings equal one side of a change, in each entry that was read."""
    for name, values in settings.items():
        row = _BY_API[name]
        live = getattr(function, row.live)
        if live is None:
            continue
        if row.mapped:
            if any(live.get(key) != value for key, value in values.items()):
                return False
        elif live != values:
            return False
    return True


def taken_back_change(function: Function, change: Change) -> tuple[Change | None, tuple[str, ...]]:
    """Return the change that rolls back one of `own_changes`, where the Function still is as that left it, each map
    entry by itself. Also returns in words what someone has changed since. What is rolled back already is in neither.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    since = []
    for name, left_as in change.after.items():
        row, was = _BY_API[name], change.before[name]
        live = getattr(function, row.live)
        if live is None:
            raise AssertionError(name)  # a rollback has always read it
        if not row.mapped:
            if live == left_as:
                before[name], after[name] = left_as, was
            elif live != was:
                since.append(row.label)
            continue
        still = [key for key in left_as if live.get(key) == left_as[key] != was.get(key)]
        since += [f"{row.label} {key}" for key in left_as if live.get(key) not in (left_as[key], was.get(key))]
        if still:
            before[name] = {key: left_as[key] for key in still}
            after[name] = {key: was.get(key) for key in still}
    return (Change(change.kind, before, after) if after else None), tuple(since)


def changed_otherwise(function: Function, change: Change) -> str:
    """Return which settings of a change are neither as it found them nor as it makes them: someone else has changed
    them. "" for none.
    """
    found = []
    for (name, key), desired in _entries(change.after).items():
        row, live = _BY_API[name], getattr(function, _BY_API[name].live)
        before = change.before.get(name)
        if live is None:
            continue
        now, then = (live.get(key), (before or {}).get(key)) if row.mapped else (live, before)
        if now not in (then, desired):
            found.append(f"{row.label} {key} is {said_of(now)} now" if row.mapped else f"{row.label} has changed")
    return "; ".join(found)


def in_words(change: Change) -> str:
    """Return one of `own_changes` in words: "label team: a → b; label tier: none → gold"."""
    found = []
    if change.kind is ChangeKind.ACCESS:
        return "public: no → yes" if opens(change) else "public: yes → no"
    for name, after in change.after.items():
        row, before = _BY_API[name], change.before[name]
        if row.mapped:
            found += [f"{row.label} {key}: {said_of(before[key])} → {said_of(after[key])}" for key in after]
        else:
            found.append(f"{row.label} changed")
    return "; ".join(found)


def said_of(value: str | bool | Mapping[str, int] | None) -> str:
    """Return a value of a map in words; for a policy, its limits."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value[name]}" for name in COUNTS if value.get(name))
    if value is True:
        return "granted"
    return "none" if value is None else value or '""'


def own_request(function: Function, change: Change) -> ApiRequest | None:
    """Return the request for one of `own_changes`, on a Function as it is now; None if it is made already."""
    if change.kind is ChangeKind.UPDATE:
        return update_request(function, change.after)
    if change.kind is ChangeKind.ACCESS:
        live = function.public or {}
        left = {role: given for role, given in change.after["public"].items() if live.get(role) != given}
        return access_request(function.id, left) if left else None
    ((tag, policy),) = change.after["scaling"].items()
    return scaling_request(function.id, tag, policy) if (function.scaling or {}).get(tag) != policy else None


def update_request(function: Function, after: Mapping[str, Any]) -> ApiRequest | None:
    """Return the request for just these settings, on a Function as it is now; None if it has them. The API replaces a
    map as a whole, so other entries are sent unchanged.
    """
    body: dict[str, Any] = {}
    for name, desired in after.items():
        row = _BY_API[name]
        live = getattr(function, row.live)
        if row.mapped:
            merged = {key: value for key, value in {**live, **desired}.items() if value is not None}
            if merged != dict(live):
                body[name] = merged
        elif desired != live:
            body[name] = desired
    if not body:
        return None
    path = f"{_PATH}/{quote(function.id, safe='')}"
    return ApiRequest("update function", "PATCH", path, {"updateMask": ",".join(body), **body})


def own_key(function_id: str, request: ApiRequest, change: Change, attempt: int) -> str:
    """Return the Idempotency-Key of one of `own_changes`: from its body, from what the plan found, and the attempt."""
    call = "update" if change.kind is ChangeKind.UPDATE else request.call
    return key_of(call, function_id, digest_of(request.body), digest_of(change.before), str(attempt))
