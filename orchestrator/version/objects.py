"""Codecs of objects and of lists of objects, built from smaller ones: see `codecs`."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.version.codec import Codec, Known, names_behind, only_asked, only_set, without_defaults
from orchestrator.version.codecs import TextList


@dataclass(frozen=True, slots=True)
class Part:
    """A field of an object. `label`: in messages. `default`: see `Codec.lost`."""

    setting: str
    api: str
    codec: Codec
    label: str
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Object(Codec):
    """An object. `type`: the model's class for it. `counts_empty`: {} has a meaning, too."""

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

    def readable(self, json: Any) -> bool:
        return json is None or (
            isinstance(json, Mapping) and all(part.codec.readable(json.get(part.api)) for part in self.parts)
        )

    def bare(self, json: Any) -> Any:
        filled_in = {part.api for part in self.parts if part.codec.comparable(json.get(part.api)) in part.default}
        return {name: value for name, value in json.items() if name not in filled_in}

    def spelled_out(self, json: Any) -> Any:
        return json and only_set({part.api: part.codec.spelled_out(json.get(part.api)) for part in self.parts})

    def gone(self, label: str, json: Any) -> list[str]:
        return [*([label] if self.counts_empty else []), *self.less(label, json, {})]

    def less(self, label: str, before: Any, after: Any) -> list[str]:  # noqa: ARG002 - parts have labels of their own
        return [
            said
            for part in self.parts
            for said in part.codec.lost(part.label, before.get(part.api), after.get(part.api), part.default)
        ]


@dataclass(frozen=True, slots=True)
class ObjectList(Codec):
    """A list of objects, identified by their `key`. Its order has no meaning."""

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

    def readable(self, json: Any) -> bool:
        return json is None or (
            isinstance(json, list | tuple) and all(isinstance(one, Mapping) and self.item.readable(one) for one in json)
        )

    def bare(self, json: Any) -> Any:
        return [self.item.bare(one) for one in json]

    def spelled_out(self, json: Any) -> Any:
        return json and [self.item.spelled_out(one) for one in json]

    def names(self, json: Any) -> frozenset[str]:
        return frozenset(str(one.get(self.key, "")) for one in json or ())

    def without(self, json: Any, names: Container[str]) -> Any:
        return [one for one in json or () if one.get(self.key, "") not in names]

    def gone(self, label: str, json: Any) -> list[str]:
        return names_behind(label, self.names(json))

    def less(self, label: str, before: Any, after: Any) -> list[str]:
        kept = {one.get(self.key, ""): one for one in after}
        found = names_behind(label, self.names(before) - self.names(after))
        for one in before:
            name = one.get(self.key, "")
            if name in kept:
                found += [f"{label} {name}: {said}" for said in self.item.less("", one, kept[name])]
        return found
