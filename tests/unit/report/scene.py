"""A run in the middle of its second wave, in three folders of two clouds, with any number of functions."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.engine.tracking.durations import Kind, Learned
from orchestrator.journal.condition_events import LimitChanged, SlotRefused
from orchestrator.journal.events import Event, OperationAccepted, OperationDone, StepStarted, UnitEnded
from orchestrator.journal.rollout_events import WaveStarted
from orchestrator.journal.state import RunState
from orchestrator.model import Action, Change, ChangeKind, Deployed, Failed, Failure, Rollout, Step, Unit
from orchestrator.report.display.console import Progress, progress
from orchestrator.report.display.outlook import Outlook
from orchestrator.report.views import BuildRow
from tests.builders import spec
from tests.runs import STARTED_AT, planned, started

FOLDERS = ("b1gfolder-a", "b1gfolder-b", "b1gfolder-c")
CLOUDS = {"b1gfolder-a": "b1gcloud-1", "b1gfolder-b": "b1gcloud-1", "b1gfolder-c": "b1gcloud-2"}
LIMITS = {"folder b1gfolder-a": 15, "folder b1gfolder-b": 15, "folder b1gfolder-c": 10} | {
    "cloud b1gcloud-1": 20,
    "cloud b1gcloud-2": 20,
}


class Scene:
    """The display of such a run at `now`, `seconds` after it began."""

    def __init__(self, functions: int = 60, builds: Sequence[BuildRow] = ()) -> None:
        self.now = STARTED_AT
        self.state, self.outlook = RunState(), Outlook(Learned({Kind.PLAIN: [2.0] * 20}))
        self.shown: Progress = progress(
            io.StringIO(), total=functions, state=self.state, clock=lambda: self.now, environ={"TERM": "xterm"},
            outlook=self.outlook, builds=lambda: builds,
        )  # fmt: skip
        self.keys = [f"function-{number:04}" for number in range(functions)]
        self.folder = {key: FOLDERS[number % 3] for number, key in enumerate(self.keys)}
        units = [
            Unit(key, spec(key, folder_id=folder), Action.VERSION, "", changes=(Change(ChangeKind.VERSION),))
            for key, folder in self.folder.items()
        ]
        self.outlook.plan(units, CLOUDS, Rollout(waves=(6, "50%", "100%"), pause_s=90.0))
        self.hear(started(units=functions))
        for what, limit in LIMITS.items():
            self.hear(LimitChanged(self.now, what, limit, "declared"))
        for key, folder in self.folder.items():
            self.hear(replace(planned(key), folder_id=folder))

    def hear(self, *events: Event) -> None:
        for event in events:
            self.state.apply(event)
            self.outlook(event)
            self.shown(event)

    def wave(self, number: int, keys: Sequence[str]) -> None:
        by_folder = {folder: sum(self.folder[key] == folder for key in keys) for folder in FOLDERS}
        self.hear(WaveStarted(self.now, number, 3, len(keys), folders=by_folder))

    def begin(self, key: str) -> Iterator[Event]:
        """Up to the Operation."""
        yield StepStarted(self.now, key, Step.QUEUE)
        yield StepStarted(self.now, key, Step.CREATE)
        yield OperationAccepted(self.now, key, "createVersion", f"operation of {key}", "d4e")

    def done(self, key: str, error: str = "") -> Iterator[Event]:
        yield OperationDone(self.now, key, f"operation of {key}", 2.0, error)
        failure = Failure(error, kind="invalid")
        yield UnitEnded(self.now, key, Failed(Step.TRACK, failure) if error else Deployed(f"version of {key}"))


def second_wave(functions: int = 60, builds: Sequence[BuildRow] = ()) -> Scene:
    """The first wave has ended. Half of the second has, with failures; 7 functions run, 5 wait for a slot."""
    scene = Scene(functions, builds)
    scene.wave(1, scene.keys[:6])
    for key in scene.keys[:6]:
        scene.hear(*scene.begin(key))
        scene.now += 0.5
        scene.hear(*scene.done(key))
    wave = scene.keys[6 : 6 + (functions - 6) // 2]
    scene.wave(2, wave)
    ended, left = wave[: len(wave) // 2], wave[len(wave) // 2 :]
    for number, key in enumerate(ended):
        scene.hear(*scene.begin(key))
        scene.now += 20.0 / len(ended)
        scene.hear(*scene.done(key, "memory of function-0000 is over the quota" if number % 5 == 3 else ""))
    for key in left[:7]:
        scene.hear(*scene.begin(key))
        scene.now += 1.3
    for key in left[7:12]:
        scene.hear(StepStarted(scene.now, key, Step.QUEUE))
    scene.hear(SlotRefused(scene.now, "folder b1gfolder-a", 3), SlotRefused(scene.now, "cloud b1gcloud-1", 5))
    return scene
