"""How one kind of value is written in the API's JSON and read from it again: small codecs that the table is made of.

proto3 JSON leaves unset fields out and writes int64 as strings; a Version may spell out defaults that nobody has sent.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from orchestrator.model.decode import integer, number
from orchestrator.model.units import as_duration, as_size

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


@dataclass(frozen=True, slots=True)
class Text(Codec):
    """A string. `unset`: what its setting is where there is none; `unspecified`: the API's name for that."""

    unset: str | None = None
    unspecified: str = ""

    def readable(self, json: Any) -> bool:
        return json is None or isinstance(json, str)

    def less(self, label: str, before: Any, after: Any) -> list[str]:  # noqa: ARG002 - another text is no less
        return []

    def decode(self, json: Any) -> Any:
        return self.unset if json is None or json in ("", self.unspecified) else json


@dataclass(frozen=True, slots=True)
class Enum(Codec):
    """One of some names. `values`: setting → the API's name; anything else cannot be passed on."""

    values: Mapping[Any, str]
    unspecified: str
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", frozenset((self.unspecified, *self.values.values())))

    def encode(self, value: Any) -> Any:
        return self.values.get(value)

    def decode(self, json: Any) -> Any:
        return next((value for value, name in self.values.items() if name == json), None)

    def readable(self, json: Any) -> bool:
        return json is None or isinstance(json, str)

    def less(self, label: str, before: Any, after: Any) -> list[str]:  # noqa: ARG002 - another name is no less
        return []


class Flag(Codec):
    """True or false, which is unset."""

    def spelled_out(self, json: Any) -> Any:
        return json or False

    def readable(self, json: Any) -> bool:
        return json is None or isinstance(json, bool)


class Amount(Codec):
    """A value that can be more or less. Its `decode` gives a number, or None where it is unset."""

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        reduced = (self.decode(after) or 0) < (self.decode(before) or 0)
        return [f"{label} {self.comparable(before)} → {self.comparable(after)}"] if reduced else []


class Int64(Amount):
    """A whole number; 0 is proto3's way to say unset."""

    def encode(self, value: Any) -> Any:
        return str(value)

    def decode(self, json: Any) -> Any:
        return integer(json) or None

    def spelled_out(self, json: Any) -> Any:
        return json or "0"

    def readable(self, json: Any) -> bool:
        return json in (None, "") or integer(json) is not None


class Size(Int64):
    """A number of bytes, shown as a manifest spells it."""

    def comparable(self, json: Any) -> Any:
        size_bytes = super().comparable(json)
        return None if size_bytes is None else as_size(int(size_bytes))


class Memory(Amount):
    """The memory: a size in an object of its own, never unset."""

    known = MappingProxyType({"memory": None})

    def encode(self, value: Any) -> Any:
        return {"memory": str(value)}

    def decode(self, json: Any) -> Any:
        return integer((json or {}).get("memory")) or 0

    def readable(self, json: Any) -> bool:
        return json is None or (isinstance(json, Mapping) and Int64().readable(json.get("memory")))

    def comparable(self, json: Any) -> Any:
        return as_size(int((json or {}).get("memory") or 0))


class Duration(Amount):
    """Seconds, with "s" behind them; shown as a manifest spells them."""

    def encode(self, value: Any) -> Any:
        return f"{Decimal(str(value)).normalize():f}s"

    def decode(self, json: Any) -> Any:
        seconds = number(str(json or "").removesuffix("s"))
        return None if seconds is None else float(seconds)

    def readable(self, json: Any) -> bool:
        return json in (None, "") or (isinstance(json, str) and number(json.removesuffix("s")) is not None)

    def comparable(self, json: Any) -> Any:
        return as_duration(Decimal(str(json).removesuffix("s"))) if json else None  # 1.500s is 1.5s


class TextMap(Codec):
    """Strings by name; "" and "0" are values here."""

    def encode(self, value: Any) -> Any:
        return dict(sorted(value.items()))

    def decode(self, json: Any) -> Any:
        return dict(json or {})

    def readable(self, json: Any) -> bool:
        return json is None or (
            isinstance(json, Mapping) and all(isinstance(text, str) for pair in json.items() for text in pair)
        )

    def comparable(self, json: Any) -> Any:
        return json or {}

    def without(self, json: Any, names: Container[str]) -> Any:
        return {name: value for name, value in (json or {}).items() if name not in names}

    def gone(self, label: str, json: Any) -> list[str]:
        return names_behind(label, json)  # never the values

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        return names_behind(label, before.keys() - after.keys())


class TextList(Codec):
    """A list of strings whose order means nothing."""

    def encode(self, value: Any) -> Any:
        return list(value)

    def decode(self, json: Any) -> Any:
        return tuple(json or ())

    def readable(self, json: Any) -> bool:
        return json is None or (isinstance(json, list | tuple) and all(isinstance(item, str) for item in json))

    def comparable(self, json: Any) -> Any:
        return sorted(json or ())

    def gone(self, label: str, json: Any) -> list[str]:
        return names_behind(label, json)

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        return names_behind(label, set(before) - set(after))
