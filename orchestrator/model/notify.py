"""Who is notified of runs, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Notify:
    """One [notify.NAME]: which notices are sent to a URL, or to a command. `format`: "json", "telegram", "slack".
    `secret`: the key that signs bodies, "" for no signature. `link`: with {run} and {environment}. `folder`: where the
    command runs. `unset`: why it cannot be sent, if a variable of its table is not set. `is_off`: its url is empty.
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
        """Whether it notifies no one: it has neither url nor command."""
        return not (self.url or self.command)
