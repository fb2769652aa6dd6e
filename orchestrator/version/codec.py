"""How a value is written to the API's JSON, read back, and compared: the interface of every codec.

proto3 JSON omits unset fields and writes int64 as strings. A Version may include defaults that were never sent.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from orchestrator.model.decode import number

# What is known of a value. None: any value is passed on as it is. A Mapping: of the fields of an object (or of a list's
# objects). A frozenset: the only values that can be passed on.
Known = Mapping[str, Any] | frozenset[str] | None

_UNSPECIFIED = ("MODE_UNSPECIFIED", "LEVEL_UNSPECIFIED", "METADATA_OPTION_UNSPECIFIED")
_DEFAULTS: tuple[object, ...] = (None, "", "0", False, [], {}, *_UNSPECIFIED)


def only_set(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out unset fields: proto3 JSON has no other form for them."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def without_defaults(json: Any) -> Any:
    """Leave out, at any depth, what proto3 JSON may leave out. Whole numbers become strings."""
    if isinstance(json, Mapping):
        kept = {name: without_defaults(item) for name, item in json.items()}
        return {name: item for name, item in kept.items() if item not in _DEFAULTS}
    if isinstance(json, list | tuple):
        return [without_defaults(item) for item in json]
    if isinstance(json, int) and not isinstance(json, bool):
        return str(json)
    return json


def only_asked(asked: Any, live: Any) -> Any:
    """Leave out of `live`, at any depth, the fields that `asked` lacks: the cloud may have filled them in."""
    if isinstance(asked, Mapping) and isinstance(live, Mapping):
        return {name: only_asked(asked[name], item) for name, item in live.items() if name in asked}
    return live


class Codec:
    """A value that is passed on as it is: the base of the others. `json` is None if the field is missing."""

    known: Known = None

    def encode(self, value: Any) -> Any:
        """Return the JSON of a setting that is not None. None, "", [] and {} are not sent."""
        return value

    def decode(self, json: Any) -> Any:
        """Return the setting from a Version's JSON: the inverse of `encode`."""
        return json or None

    def comparable(self, json: Any) -> Any:
        """Return one form for what is sent and what is live, None if it is unset or the default."""
        plain = without_defaults(json)
        return None if plain in _DEFAULTS else plain

    def only_asked(self, asked: Any, live: Any) -> Any:
        """Leave out of a live value, in comparable form, the parts that were not requested."""
        return only_asked(asked, live)

    def canonical(self, json: Any) -> Any:
        """Return what is sent in the order for hashing, where the order has no meaning to the cloud."""
        return json

    def readable(self, json: Any) -> bool:  # noqa: ARG002 - the base takes any
        """Return whether the cloud's JSON has the documented form. The other methods require it."""
        return True

    def bare(self, json: Any) -> Any:
        """Leave out of the result of `encode` the parts that the cloud may have filled in."""
        return json

    def spelled_out(self, json: Any) -> Any:
        """Return the result of `encode` with the zeros that proto3 JSON may leave out. None: the field was missing."""
        return json

    def names(self, json: Any) -> frozenset[str]:
        """Return the names of the entries, if the value has any."""
        return frozenset(json or ())

    def without(self, json: Any, names: Container[str]) -> Any:  # noqa: ARG002 - the base has no entries
        """Leave out the entries of these names, if the value has any."""
        return json

    def filled_in_as(self, asked: Any, former: Any) -> Any:  # noqa: ARG002 - the base has no parts
        """Return `asked` with what the cloud filled in beside the same value in a `former` Version. Both are JSON."""
        return asked

    def lost(self, label: str, before: Any, after: Any, default: Container[Any] = ()) -> list[str]:
        """Return what is lost if `before` is live and `after` is desired, both JSON: what is removed, and what is
        reduced.

        Another value in its place is no loss. `default`: comparable forms of `before` that mean the same as no value,
        since the cloud fills them in.
        """
        had, gets = self.comparable(before), self.comparable(after)
        if not had or had in default or had == gets:
            return []
        return self.less(label, before, after) if gets else self.gone(label, before)

    def gone(self, label: str, json: Any) -> list[str]:
        """Return what is lost if nothing replaces this value."""
        shown = self.comparable(json)
        return [label if shown is True else f"{label} {shown}"]

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        """Return what a value loses to the one that replaces it, as far as any JSON shows."""
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            return [said for name in before for said in Codec().lost(f"{label} {name}", before[name], after.get(name))]
        if isinstance(before, list | tuple) and isinstance(after, list | tuple):
            return names_behind(label, (str(item) for item in before if item not in after))
        had, gets = number(before), number(after)
        return [f"{label} {before} → {after}"] if had is not None and gets is not None and gets < had else []


def names_behind(label: str, names: Iterable[str]) -> list[str]:
    """Return a list with the names after their label, [] for none."""
    found = ", ".join(sorted(names))
    return [f"{label} {found}"] if found else []
