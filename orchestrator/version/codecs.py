"""Small codecs for the kinds of settings, from which the tables of fields are built."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from orchestrator.model.decode import integer, number
from orchestrator.model.units import as_duration, as_size
from orchestrator.version.codec import Codec, Known, names_behind


@dataclass(frozen=True, slots=True)
class Text(Codec):
    """A string. `unset`: the setting if there is none. `unspecified`: the API's name for that."""

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
    """One of several names. `values`: setting → the API's name. Anything else cannot be passed on."""

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
    """True or false; false is unset."""

    def spelled_out(self, json: Any) -> Any:
        return json or False

    def readable(self, json: Any) -> bool:
        return json is None or isinstance(json, bool)


class Amount(Codec):
    """A value that can be more or less. Its `decode` returns a number, or None if it is unset."""

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        reduced = (self.decode(after) or 0) < (self.decode(before) or 0)
        return [f"{label} {self.comparable(before)} → {self.comparable(after)}"] if reduced else []


class Int64(Amount):
    """A whole number; in proto3, 0 is unset."""

    def encode(self, value: Any) -> Any:
        return str(value)

    def decode(self, json: Any) -> Any:
        return integer(json) or None

    def spelled_out(self, json: Any) -> Any:
        return json or "0"

    def readable(self, json: Any) -> bool:
        return json in (None, "") or integer(json) is not None


class Size(Int64):
    """A number of bytes, shown as in a manifest."""

    def comparable(self, json: Any) -> Any:
        size_bytes = super().comparable(json)
        return None if size_bytes is None else as_size(int(size_bytes))


class Memory(Amount):
    """The memory: a size inside an object, never unset."""

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
    """Seconds, followed by "s"; shown as in a manifest."""

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
    """A list of strings without an order."""

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
