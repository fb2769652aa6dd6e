"""The environment of a simulated run: Operations and calls that take as long as earlier ones, a gate that passes at
once, and nothing to pack.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import anyio

from orchestrator.engine.tracking.durations import Kind, Learned
from orchestrator.errors import CloudError, Code
from orchestrator.model import InvokeAnswer, InvokeRequest, Package, SourceCode, Tree
from orchestrator.ports import CommandEnd, CommandRequest
from orchestrator.sandbox.memory.directory_adapter import MemoryDirectory
from orchestrator.sandbox.memory.faults import Fate, Faults

_OWN = ("setScalingPolicy", "removeScalingPolicy", "updateAccessBindings")
_KINDS = {
    **dict.fromkeys(("create function", "update function", *_OWN), Kind.FUNCTION),
    "setTag": Kind.TAG,
    "removeTag": Kind.TAG,
}


class DrawnLengths(Faults):
    """Draws the length of each Operation from earlier ones of its kind. `of`: by function name, its folder and the kind
    of its Versions.
    """

    def __init__(self, of: Mapping[str, tuple[str, Kind]], learned: Learned, seed: int) -> None:
        super().__init__(seed=seed)
        self._of, self._learned, self._chance = of, learned, random.Random(seed)
        self.drawn: dict[str, list[float]] = defaultdict(list)  # by folder
        self.calls = 0

    def fate(self, call: str, function_name: str) -> Fate:
        folder, kind = self._of[function_name]
        length_s = self._chance.choice(_lengths_s(self._learned, _KINDS.get(call, kind)))
        self.drawn[folder].append(length_s)
        self.calls += 1
        return Fate(duration_s=length_s)


def _lengths_s(learned: Learned, kind: Kind) -> Sequence[float]:
    """Return the known durations of a kind. Copied code exists already, so without any known copy, one takes no longer
    than code that needs no building.
    """
    known = learned.of(kind)
    return (known if known.lengths_s or kind is not Kind.COPY else learned.of(Kind.PLAIN)).expected_s


class DrawnAnswers:
    """Functions that give the expected answer, after as long as earlier verifications took."""

    def __init__(self, learned: Learned, seed: int) -> None:
        self._lengths_s, self._chance = learned.of(Kind.VERIFY).expected_s, random.Random(seed)
        self.drawn: list[float] = []

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        length_s = min(self._chance.choice(self._lengths_s), request.timeout_s)
        self.drawn.append(length_s)
        await anyio.sleep(length_s)
        return InvokeAnswer(200, {}, b"{}", length_s)


class ContentGate:
    """A gate that passes each wave at once: its duration cannot be predicted. `asked`: how often it was run."""

    def __init__(self) -> None:
        self.asked = 0

    async def run(self, _request: CommandRequest) -> CommandEnd:
        self.asked += 1
        return CommandEnd(0, "", 0.0)


class MuteQuotas(MemoryDirectory):
    """Refuses: the limits from quota-manager are part of the given knowledge already."""

    async def quotas(self, cloud_id: str) -> tuple[()]:
        raise CloudError(cloud_id, call="list quota limits", code=Code.PERMISSION_DENIED)


class NothingToPack:
    """Packs nothing: simulated code is in a bucket."""

    async def build(self, code: SourceCode) -> None:
        raise NotImplementedError

    async def scan(self, code: SourceCode) -> Tree:
        raise NotImplementedError

    async def pack(self, code: SourceCode) -> Package:
        raise NotImplementedError

    def read(self, package: Package) -> bytes:
        raise NotImplementedError
