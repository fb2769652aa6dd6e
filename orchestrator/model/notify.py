"""Who is told of runs, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Notify:
    """One [notify.NAME]: which notices go to a URL, or to a command. `format`: "json", "telegram", "slack"; `secret`:
    what bodies are signed with, "" for no signature. `link`: with {run} and {environment}. `folder`: where the command
    runs. `unset`: why it cannot be told, where a variable of its table is not set. `is_off`: its url is empty.
    """

    name: str
    on: tuple[str, ...]
    url: str = ""
    command: tuple[str, ...] = ()
    format: str = "json"
    chat_id: str = ""
    secret: str = ""
    link: str = ""
    timeout_s: float = 10.0
    folder: Path = Path()
    unset: str = ""

    @property
    def is_off(self) -> bool:
        """Whether nobody is told: neither url nor command."""
        return not (self.url or self.command)
