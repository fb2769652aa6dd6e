"""How a value is written in the API's JSON, read from it again, and compared: what every codec can do.

proto3 JSON leaves unset fields out and writes int64 as strings; a Version may spell out defaults that nobody has sent.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from orchestrator.model.decode import number

# What is known of a value: None where any is passed on as it is, a Mapping of the fields of an object (or of a list's
# objects), a frozenset of the only values that we can pass on.
Known = Mapping[str, Any] | frozenset[str] | None

_UNSPECIFIED = ("MODE_UNSPECIFIED", "LEVEL_UNSPECIFIED", "METADATA_OPTION_UNSPECIFIED")
_DEFAULTS: tuple[object, ...] = (None, "", "0", False, [], {}, *_UNSPECIFIED)


def only_set(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is unset: proto3 JSON has no other way to say so."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def without_defaults(json: Any) -> Any:
    """Leave out, at any depth, what proto3 JSON may leave out; whole numbers become strings."""
    if isinstance(json, Mapping):
        kept = {name: without_defaults(item) for name, item in json.items()}
        return {name: item for name, item in kept.items() if item not in _DEFAULTS}
    if isinstance(json, list | tuple):
        return [without_defaults(item) for item in json]
    if isinstance(json, int) and not isinstance(json, bool):
        return str(json)
    return json


def only_asked(asked: Any, live: Any) -> Any:
    """Leave out of `live`, at any depth, the fields that `asked` has not: the cloud may have filled them in."""
    if isinstance(asked, Mapping) and isinstance(live, Mapping):
        return {name: only_asked(asked[name], item) for name, item in live.items() if name in asked}
    return live


class Codec:
    """A value that is passed on as it is: the base of the others. `json` is None where the field is not there."""

    known: Known = None

    def encode(self, value: Any) -> Any:
        """Write a setting that is not None as JSON; None, "", [] and {} are not sent."""
        return value

    def decode(self, json: Any) -> Any:
        """Read a setting from a Version's JSON, what `encode` would have been given for it."""
        return json or None

    def comparable(self, json: Any) -> Any:
        """Bring what is sent and what is live to one form; None where it is unset or the default."""
        plain = without_defaults(json)
        return None if plain in _DEFAULTS else plain

    def only_asked(self, asked: Any, live: Any) -> Any:
        """Leave out of a live value, in comparable form, the parts that were not asked for."""
        return only_asked(asked, live)

    def canonical(self, json: Any) -> Any:
        """Bring what is sent into the one order that is hashed, where the cloud gives the order no meaning."""
        return json

    def readable(self, json: Any) -> bool:  # noqa: ARG002 - the base takes any
        """Say whether the cloud's JSON has the form that the API documents; the other methods are for such alone."""
        return True

    def bare(self, json: Any) -> Any:
        """Leave out of what `encode` gives the parts that the cloud may have filled in."""
        return json

    def spelled_out(self, json: Any) -> Any:
        """Write the zeros into what `encode` gives, which proto3 JSON may leave out. None: it was not there."""
        return json

    def names(self, json: Any) -> frozenset[str]:
        """Give the names of the entries, of a value that has any."""
        return frozenset(json or ())

    def without(self, json: Any, names: Container[str]) -> Any:  # noqa: ARG002 - the base has no entries
        """Leave out the entries of these names, of a value that has any."""
        return json

    def filled_in_as(self, asked: Any, former: Any) -> Any:  # noqa: ARG002 - the base is asked for as a whole
        """Add to what is `asked` for what the cloud filled in beside the same in a `former` Version; both JSON."""
        return asked

    def lost(self, label: str, before: Any, after: Any, default: Container[Any] = ()) -> list[str]:
        """Say what is lost where `before` is live and `after` is desired, both JSON: what is gone, and what is less.

        Another value in its place is no loss. `default`: what `before` may be in comparable form, and still says no
        more than nothing at all: the cloud fills it in.
        """
        had, gets = self.comparable(before), self.comparable(after)
        if not had or had in default or had == gets:
            return []
        return self.less(label, before, after) if gets else self.gone(label, before)

    def gone(self, label: str, json: Any) -> list[str]:
        """Say what is lost where nothing takes the place of this value."""
        shown = self.comparable(json)
        return [label if shown is True else f"{label} {shown}"]

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        """Say what of one value another, which takes its place, does not have: as much as any JSON tells of itself."""
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            return [said for name in before for said in Codec().lost(f"{label} {name}", before[name], after.get(name))]
        if isinstance(before, list | tuple) and isinstance(after, list | tuple):
            return names_behind(label, (str(item) for item in before if item not in after))
        had, gets = number(before), number(after)
        return [f"{label} {before} → {after}"] if had is not None and gets is not None and gets < had else []


def names_behind(label: str, names: Iterable[str]) -> list[str]:
    """Write names behind their label; [] where there are none."""
    found = ", ".join(sorted(names))
    return [f"{label} {found}"] if found else []
