"""What of a function is left as it is live, in place of what is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AsLive:
    """What of a function is left as it is live, once it is: somebody else's. `names`: "memory_bytes",
    "environment.LEVEL", "labels.team", as `Settings` and `FunctionSpec` spell them. `whole`: all settings are, so there
    has to be a live Version. `but`: what a job changes of it by name all the same. `declared`: the settings as they
    were declared, once those that are live are put in their place.
    """

    names: frozenset[str] = frozenset()
    whole: bool = False
    but: frozenset[str] = frozenset()
    declared: Any = None  # `Settings`

    def __bool__(self) -> bool:
        return bool(self.names)

    def has(self, setting: str, entry: str = "") -> bool:
        """Whether a setting, or an entry of one, is left as it is live."""
        name = f"{setting}.{entry}" if entry else setting
        return self.but.isdisjoint((setting, name)) and not self.names.isdisjoint((setting, name))


NONE_LEFT = AsLive()
