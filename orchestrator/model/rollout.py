"""How a run spreads, how it is judged on the way, and how a new Version is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """An HTTP call of a Function, as its users make it. `expect_body`: None: any; a text: it contains it; else JSON
    that has at least this.
    """

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    expect_status: int = 200
    expect_body: Any = None


@dataclass(frozen=True, slots=True)
class Verify:
    """How a new Version is verified, in one of three ways: called with `payload` as its event (what an event is to
    answer in `expect`: JSON that has at least this, None: anything), by `http`, or by a `command` of the user's.

    `folder`: where a command runs. `safe`: it may be called as often as one likes, so it may stand in [defaults].
    """

    payload: Any = None
    expect: Any = None
    http: HttpCheck | None = None
    command: tuple[str, ...] = ()
    folder: Path = Path()
    attempts: int = 3
    timeout_s: float = 30.0
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """A command that judges a wave. It runs in `folder`, which is the manifest's."""

    command: tuple[str, ...]
    folder: Path
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a run spreads: the `canary` wave by selection, waves of counts or shares of what is left, and how many units
    may fail before it stops, and what then.

    `approval`: somebody has to let it go on after each wave, in place of `pause_s`.
    """

    waves: tuple[int | str, ...] = ("100%",)
    pause_s: float = 0.0
    max_failures: int | str | None = None
    canary: tuple[str, ...] = ()
    approval: bool = False
    on_breach: str = "stop"  # stop | rollback | pause
    on_inconclusive: str = "pause"  # pause | fail | pass
    two_phase: bool = False  # promoted tags move only once all new Versions are verified
    gate: Gate | None = None  # after every wave and its pause
    pin: bool = False  # ring tags even where nothing is verified
    verify_at_once: int = 4
    prune_after: bool = False  # old Versions of what a good run was about are deleted
