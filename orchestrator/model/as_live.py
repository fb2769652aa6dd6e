"""What a function leaves as it is live, in place of what is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AsLive:
    """What a function leaves as it is live, because others own it. `names`: "memory_bytes", "environment.LEVEL",
    "labels.team", as `Settings` and `FunctionSpec` spell them. `whole`: all settings, so a live Version is required.
    `but`: what a job changes by name anyway. `declared`: the settings as declared, kept after the live ones have
    replaced them.
    """

    names: frozenset[str] = frozenset()
    whole: bool = False
    but: frozenset[str] = frozenset()
    declared: Any = None  # `Settings`

    def __bool__(self) -> bool:
        return bool(self.names)

    def has(self, setting: str, entry: str = "") -> bool:
        """Return whether a setting, or an entry of one, is left as it is live."""
        name = f"{setting}.{entry}" if entry else setting
        return self.but.isdisjoint((setting, name)) and not self.names.isdisjoint((setting, name))


NONE_LEFT = AsLive()
