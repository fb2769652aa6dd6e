"""How one kind of value is written in the API's JSON and read from it again: small codecs that the table is made of.

proto3 JSON leaves unset fields out and writes int64 as strings; a Version may spell out defaults that nobody has sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from orchestrator.model.decode import integer, number

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

    def names(self, json: Any) -> frozenset[str]:
        """Give the names of the entries, of a value that has any."""
        return frozenset(json or ())

    def told(self, label: str, json: Any) -> str:
        """Say in words what somebody would lose with this value."""
        return f"{label} {json}"


@dataclass(frozen=True, slots=True)
class Text(Codec):
    """A string. `unset`: what its setting is where there is none; `unspecified`: the API's name for that."""

    unset: str | None = None
    unspecified: str = ""

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


class Int64(Codec):
    """A whole number; 0 is proto3's way to say unset."""

    def encode(self, value: Any) -> Any:
        return str(value)

    def decode(self, json: Any) -> Any:
        return integer(json) or None


class Size(Int64):
    """A number of bytes, shown in whole megabytes where it can be."""

    def comparable(self, json: Any) -> Any:
        size_bytes = super().comparable(json)
        return None if size_bytes is None else _megabytes(size_bytes)


class Memory(Codec):
    """The memory: a size in an object of its own, never unset."""

    known = MappingProxyType({"memory": None})

    def encode(self, value: Any) -> Any:
        return {"memory": str(value)}

    def decode(self, json: Any) -> Any:
        return integer((json or {}).get("memory")) or 0

    def comparable(self, json: Any) -> Any:
        return _megabytes((json or {}).get("memory") or "0")


class Duration(Codec):
    """Seconds, with "s" behind them."""

    def encode(self, value: Any) -> Any:
        return f"{Decimal(str(value)).normalize():f}s"

    def decode(self, json: Any) -> Any:
        seconds = number(str(json or "").removesuffix("s"))
        return None if seconds is None else float(seconds)

    def comparable(self, json: Any) -> Any:
        return f"{Decimal(str(json).removesuffix('s')).normalize():f}s" if json else None  # 1.500s is 1.5s


class TextMap(Codec):
    """Strings by name; "" and "0" are values here."""

    def encode(self, value: Any) -> Any:
        return dict(sorted(value.items()))

    def decode(self, json: Any) -> Any:
        return dict(json or {})

    def comparable(self, json: Any) -> Any:
        return json or {}


class TextList(Codec):
    """A list of strings whose order means nothing."""

    def encode(self, value: Any) -> Any:
        return list(value)

    def decode(self, json: Any) -> Any:
        return tuple(json or ())

    def comparable(self, json: Any) -> Any:
        return sorted(json or ())

    def told(self, label: str, json: Any) -> str:
        return f"{label} {', '.join(sorted(json))}"


@dataclass(frozen=True, slots=True)
class Part:
    """A field of an object. `label`: what people know it by, where it is what they would lose."""

    setting: str
    api: str
    codec: Codec
    label: str = ""


@dataclass(frozen=True, slots=True)
class Object(Codec):
    """An object. `type`: the model's class for it; `counts_empty`: {} says something, too."""

    type: Callable[..., Any]
    parts: tuple[Part, ...]
    counts_empty: bool = False
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", {part.api: part.codec.known for part in self.parts})

    def encode(self, value: Any) -> Any:
        set_parts = ((part, given) for part in self.parts if (given := getattr(value, part.setting)) is not None)
        return only_set({part.api: part.codec.encode(given) for part, given in set_parts})

    def decode(self, json: Any) -> Any:
        if not json and not (self.counts_empty and json is not None):
            return None
        return self.type(**{part.setting: part.codec.decode(json.get(part.api)) for part in self.parts})

    def comparable(self, json: Any) -> Any:
        plain = without_defaults(json) or {}
        for part in self.parts:
            if part.api in plain and isinstance(part.codec, TextList):
                plain[part.api] = part.codec.comparable(plain[part.api])
        if self.counts_empty and json is not None:
            return {"allowed": True, **plain}
        return plain or None

    def told(self, label: str, json: Any) -> str:
        for part in self.parts:
            if part.label and json.get(part.api):
                return part.codec.told(part.label, json[part.api])
        return label


@dataclass(frozen=True, slots=True)
class ObjectList(Codec):
    """A list of objects that are known by their `key`; its order means nothing."""

    item: Codec
    key: str
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", self.item.known)

    def encode(self, value: Any) -> Any:
        return [self.item.encode(one) for one in value]

    def decode(self, json: Any) -> Any:
        return tuple(self.item.decode(one) for one in json or ())

    def comparable(self, json: Any) -> Any:
        plain = [without_defaults(one) for one in json or ()]
        return {one.get(self.key, ""): one for one in plain}

    def only_asked(self, asked: Any, live: Any) -> Any:
        return {name: only_asked(asked.get(name, one), one) for name, one in live.items()}

    def canonical(self, json: Any) -> Any:
        return sorted(json, key=lambda one: one[self.key])

    def names(self, json: Any) -> frozenset[str]:
        return frozenset(str(one.get(self.key, "")) for one in json or ())


def _megabytes(size_bytes: str) -> str:
    megabytes, rest = divmod(int(size_bytes), 1024 * 1024)
    return f"{size_bytes} bytes" if rest else f"{megabytes}MB"
