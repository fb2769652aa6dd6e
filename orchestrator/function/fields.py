"""What a Function itself has, whichever version serves: ONE ROW A FIELD, as `version.fields` has for versions.

Labels and description change by an update of the Function; scaling policies and access by calls of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from orchestrator.function.access import access_request, opens, wanted_roles
from orchestrator.function.scaling import COUNTS, scaling_request, wanted_policies
from orchestrator.model import NONE_LEFT, ApiRequest, Change, ChangeKind, Function, FunctionSpec
from orchestrator.version.codec import Codec, only_set
from orchestrator.version.codecs import Text, TextMap
from orchestrator.version.stamp import digest_of, key_of

_PATH = "/functions/v1/functions"


@dataclass(frozen=True, slots=True)
class FunctionField:
    """One field of a Function. `setting`: in `model.FunctionSpec`; `api`: in the API's JSON; `live`: in
    `model.Function`. `label`: what people know one value of it by. `mapped`: a map, of which the declared entries are
    ours, and all of it where `exact`, a flag of `FunctionSpec`, is set. `kind`: of the change that makes it; of other
    kinds than an update, `api` is our own name for it.
    """

    setting: str
    api: str
    codec: Codec
    live: str
    label: str
    mapped: bool = False
    exact: str = ""
    updated: bool = True  # changed on a Function that is there
    kind: ChangeKind = ChangeKind.UPDATE


FUNCTION_FIELDS = (
    FunctionField("name", "name", Text(), "name", "name", updated=False),
    FunctionField("labels", "labels", TextMap(), "labels", "label", mapped=True, exact="labels_exact"),
    FunctionField("function_description", "description", Text(), "description", "function description"),
    FunctionField(
        "scaling", "scaling", Codec(), "scaling", "scaling of", mapped=True, exact="scaling_exact",
        kind=ChangeKind.SCALING,
    ),
    FunctionField("public", "public", Codec(), "public", "role of everybody", mapped=True, kind=ChangeKind.ACCESS),
)  # fmt: skip
_BY_API = {row.api: row for row in FUNCTION_FIELDS}
_ABSENT = object()


def function_request(
    folder_id: str, name: str, labels: Mapping[str, str], description: str | None = None
) -> ApiRequest:
    """Ask for a new Function."""
    given = {"name": name, "labels": labels, "function_description": description}
    fields = {row.api: row.codec.encode(given[row.setting]) for row in FUNCTION_FIELDS if given.get(row.setting)}
    return ApiRequest("create function", "POST", _PATH, only_set({"folderId": folder_id, **fields}))


def function_key(
    folder_id: str, name: str, labels: Mapping[str, str], attempt: int, description: str | None = None
) -> str:
    """Make the Idempotency-Key of creating a Function: of everything that its body has, and the attempt."""
    told = {"labels": dict(labels), **({"description": description} if description else {})}
    return key_of("create", folder_id, name, digest_of(told), str(attempt))


def own_changes(spec: FunctionSpec, function: Function) -> tuple[Change, ...]:
    """Find what of a Function's own settings is to change: one change for all that an update takes, one for the policy
    of each tag, one for all roles. What was not read of the Function is left as it is.

    What is left as it is live (`spec.as_live`) is not, once there is a Function. `before` and `after` have names of
    fields, those of the API in an update: a text, or of a map the entries that change, each with its value, None where
    there is none.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    others: list[Change] = []
    left = spec.as_live if function.id else NONE_LEFT
    for row in FUNCTION_FIELDS:
        wanted, live = wanted_of(row, spec, function), getattr(function, row.live)
        if not row.updated or wanted is None or live is None or left.has(row.setting):
            continue
        if not row.mapped:
            if wanted != live:
                before[row.api], after[row.api] = live, wanted
            continue
        names = {*wanted, *(live if row.exact and getattr(spec, row.exact) else ())}
        ours = (name for name in names if not left.has(row.setting, name))
        changed = sorted(name for name in ours if wanted.get(name) != live.get(name))
        was, now = ({name: one.get(name) for name in changed} for one in (live, wanted))
        if row.kind is ChangeKind.UPDATE:
            before |= {row.api: was} if changed else {}
            after |= {row.api: now} if changed else {}
        elif row.kind is ChangeKind.SCALING:
            others += [Change(row.kind, {row.api: {tag: was[tag]}}, {row.api: {tag: now[tag]}}) for tag in changed]
        else:
            others += [Change(row.kind, {row.api: was}, {row.api: now})] if changed else []
    return (*([Change(ChangeKind.UPDATE, before, after)] if after else []), *others)


def wanted_of(row: FunctionField, spec: FunctionSpec, function: Function) -> Any:
    """Give what is wanted of a field, as the live one has it; None: nothing."""
    if row.kind is ChangeKind.SCALING:
        return wanted_policies(spec.scaling, function.scaling or {})
    if row.kind is ChangeKind.ACCESS:
        return wanted_roles(spec.public, function.public or {})
    return getattr(spec, row.setting)


def wanted_otherwise(spec: FunctionSpec, function: Function | None, after: Mapping[str, Any]) -> bool:
    """Say whether something else is wanted of a Function by now than former changes were to make: their `after`, {} for
    none, see `made_of`. What of that is live is done. `function`: None where it is still to be made.
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
    """Give what several changes make of a Function's own settings, as one `after` would say it."""
    found: dict[str, Any] = {}
    for change in changes:
        for name, value in change.after.items():
            found[name] = {**found.get(name, {}), **value} if isinstance(value, Mapping) else value
    return found


def unmade(spec: FunctionSpec) -> Function:
    """Give a Function as it is once it has been made, before anything is set."""
    return Function("", spec.folder_id, spec.name, scaling={}, public={})


def _entries(after: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Give what a change makes, one by one: by the API's name of the field, and the entry's in a map."""
    rows = [row for row in FUNCTION_FIELDS if row.updated and row.api in after]
    return {
        (row.api, key): value
        for row in rows
        for key, value in (after[row.api].items() if row.mapped else [("", after[row.api])])
    }


def is_alike(one: Function, other: Function, kind: ChangeKind) -> bool:
    """Say whether two looks at a Function show the same of what a kind of change is about."""
    rows = [row for row in FUNCTION_FIELDS if row.updated and row.kind is kind]
    return all(getattr(one, row.live) == getattr(other, row.live) for row in rows)


def is_made(function: Function, change: Change) -> bool:
    """Say whether what one of `own_changes` is about was read, and is as it makes it."""
    return own_request(function, change) is None and all(
        getattr(function, _BY_API[name].live) is not None for name in change.after
    )


def still_as(function: Function, settings: Mapping[str, Any]) -> bool:
    """Say whether a Function's own settings are what one side of a change says, of each entry that this has and that
    was read of it.
    """
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
    """Make the change that takes one of `own_changes` back, as far as the Function is as that has left it: of a map
    each entry by itself. Also gives, in words, what somebody has changed since; what is back already is neither.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    since = []
    for name, left_as in change.after.items():
        row, was = _BY_API[name], change.before[name]
        live = getattr(function, row.live)
        if live is None:
            raise AssertionError(name)  # whoever takes it back has read it
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
    """Say which settings that a change is about are neither as it found them nor as it makes them: somebody else has
    changed them, to something of their own. "" for none.
    """
    found = []
    for (name, key), wanted in _entries(change.after).items():
        row, live = _BY_API[name], getattr(function, _BY_API[name].live)
        before = change.before.get(name)
        if live is None:
            continue
        now, then = (live.get(key), (before or {}).get(key)) if row.mapped else (live, before)
        if now not in (then, wanted):
            found.append(f"{row.label} {key} is {said_of(now)} now" if row.mapped else f"{row.label} is another now")
    return "; ".join(found)


def in_words(change: Change) -> str:
    """Say what one of `own_changes` changes: "label team: a → b; label tier: none → gold"."""
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
    """Write a value of a map for people; of a policy, what it limits."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value[name]}" for name in COUNTS if value.get(name))
    if value is True:
        return "given"
    return "none" if value is None else value or '""'


def own_request(function: Function, change: Change) -> ApiRequest | None:
    """Ask for what one of `own_changes` is to make of a Function as it is now; None where it has that."""
    if change.kind is ChangeKind.UPDATE:
        return update_request(function, change.after)
    if change.kind is ChangeKind.ACCESS:
        live = function.public or {}
        left = {role: given for role, given in change.after["public"].items() if live.get(role) != given}
        return access_request(function.id, left) if left else None
    ((tag, policy),) = change.after["scaling"].items()
    return scaling_request(function.id, tag, policy) if (function.scaling or {}).get(tag) != policy else None


def update_request(function: Function, after: Mapping[str, Any]) -> ApiRequest | None:
    """Ask for just these settings of a Function as it is now; None where it has them. The API replaces a map as a
    whole, so the entries that are not ours are sent as they are.
    """
    body: dict[str, Any] = {}
    for name, wanted in after.items():
        row = _BY_API[name]
        live = getattr(function, row.live)
        if row.mapped:
            merged = {key: value for key, value in {**live, **wanted}.items() if value is not None}
            if merged != dict(live):
                body[name] = merged
        elif wanted != live:
            body[name] = wanted
    if not body:
        return None
    path = f"{_PATH}/{quote(function.id, safe='')}"
    return ApiRequest("update function", "PATCH", path, {"updateMask": ",".join(body), **body})


def own_key(function_id: str, request: ApiRequest, change: Change, attempt: int) -> str:
    """Make the Idempotency-Key of one of `own_changes`: of its body, of what the plan found, and the attempt."""
    call = "update" if change.kind is ChangeKind.UPDATE else request.call
    return key_of(call, function_id, digest_of(request.body), digest_of(change.before), str(attempt))
