"""How a run is rolled out, how its waves are judged, and how a new Version is verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """An HTTP call of a Function, as its users make it. `expect_body`: None: any; a text: the body contains it;
    otherwise JSON that the body has at least.
    """

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    expect_status: int = 200
    expect_body: Any = None


@dataclass(frozen=True, slots=True)
class Verify:
    """How a new Version is verified, in one of three ways: called with `payload` as its event, by `http`, or by a
    `command` of the user. `expect`: JSON that the response to the event has at least, None: anything.

    `folder`: where a command runs. `safe`: it may be called any number of times, so it is allowed in [defaults].
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
    """A command that judges a wave. It runs in `folder`, the manifest's."""

    command: tuple[str, ...]
    folder: Path
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rollout of a run: the `canary` wave by selection, then waves as counts or shares of what is left. Also how
    many units may fail before it stops, and what happens then.

    `approval`: someone must approve the next wave after each wave, in place of `pause_s`.
    """

    waves: tuple[int | str, ...] = ("100%",)
    pause_s: float = 0.0
    max_failures: int | str | None = None
    canary: tuple[str, ...] = ()
    approval: bool = False
    on_breach: str = "stop"  # stop | rollback | pause
    on_inconclusive: str = "pause"  # pause | fail | pass
    two_phase: bool = False  # promoted tags move only after all new Versions are verified
    gate: Gate | None = None  # after every wave and its pause
    pin: bool = False  # ring tags even if nothing is verified
    verify_at_once: int = 4
    prune_after: bool = False  # old Versions of the functions of a successful run are deleted
