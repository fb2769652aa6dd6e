"""What a sandbox draws from its seed: how long Operations take, refusals and other faults. A test may script them."""

from __future__ import annotations

import math
import random
import re
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import Code

_PARTS = re.compile(r"(\d+(?:\.\d+)?)\*(.+)")
_NUMBER = r"(\d+(?:\.\d+)?)"
_FORMS = {
    "lognormal": re.compile(rf"lognormal:{_NUMBER},{_NUMBER}"),
    "fixed": re.compile(rf"fixed:{_NUMBER}"),
    "uniform": re.compile(rf"{_NUMBER}-{_NUMBER}"),
}
BUILD_FACTOR = 1.5  # a version whose package makes the builder install something
BRIEF_FACTOR = 0.25  # everything except createVersion


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution: "lognormal:MEDIAN,SIGMA", "fixed:SECONDS" or "LOW-HIGH" (uniform), all in seconds. Or a mixture
    with weights, "9*fixed:1+1*fixed:30".
    """

    kind: str = "lognormal"
    first: float = 1.2  # docs show "done (1s)" for a code-only version (cloud-api#answer)
    second: float = 0.4
    parts: tuple[tuple[float, Distribution], ...] = ()

    @staticmethod
    def parse(text: str) -> Distribution:
        """Parse a distribution. Raises `ValueError` that says what is allowed."""
        parted = [_PARTS.fullmatch(part.strip()) for part in text.split("+")]
        parts = tuple((float(part[1]), Distribution.parse(part[2])) for part in parted if part is not None)
        if parts and len(parts) == len(parted):
            return Distribution("mixture", parts=parts)
        for kind, form in _FORMS.items():
            found = form.fullmatch(text.strip())
            if found:
                numbers = [float(number) for number in found.groups()]
                return Distribution(kind, numbers[0], numbers[-1])
        raise ValueError(
            f'"{text}" is not a duration: write "lognormal:1.2,0.4", "fixed:1", "0.5-2" (seconds)'
            ' or a mixture, "9*fixed:1+1*fixed:30"'
        )

    def draw(self, rng: random.Random) -> float:
        """Draw one duration in seconds."""
        if self.parts:
            (part,) = rng.choices([one for _, one in self.parts], [weight for weight, _ in self.parts])
            return part.draw(rng)
        if self.kind == "lognormal":
            return rng.lognormvariate(math.log(self.first), self.second) if self.first else 0.0
        if self.kind == "uniform":
            return rng.uniform(self.first, self.second)
        return self.first


BUILD_FAILED = "Function version build failed: exit status 1. See the builder's log for details."
UNAVAILABLE = "The service is currently unavailable. Please try again in a few seconds."
THROTTLED = "Too many requests. Please slow down."

# The HTTP status of each code (cloud-api#errors).
HTTP_STATUS = {
    Code.CANCELLED: 499, Code.UNKNOWN: 500, Code.INVALID_ARGUMENT: 400, Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404, Code.ALREADY_EXISTS: 409, Code.PERMISSION_DENIED: 403, Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400, Code.ABORTED: 409, Code.OUT_OF_RANGE: 400, Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500, Code.UNAVAILABLE: 503, Code.DATA_LOSS: 500, Code.UNAUTHENTICATED: 401,
}  # fmt: skip


class Fault(Exception):  # noqa: N818 - the cloud's refusal as it is, not yet our own error
    """A call that the cloud refuses. Server and memory ports translate it."""

    def __init__(self, code: Code, message: str, details: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)

    def status(self) -> dict[str, Any]:
        """Return google.rpc.Status in JSON, the same for refused calls and failed Operations."""
        body: dict[str, Any] = {"code": int(self.code), "message": self.message}
        return {**body, "details": list(self.details)} if self.details else body


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to one call: a delay, then a refusal before it is carried out, or the loss of its answer
    afterwards.
    """

    refusal: Fault | None = None
    lost: bool = False
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one Operation. `hidden_s`: how long `get` does not find it (lagging replicas)."""

    error: Fault | None = None
    error_early: bool = False  # `error` is visible before `done`
    hidden_s: float = 0.0
    duration_s: float | None = None  # None: drawn from the durations


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares (0 to 1) of calls, or of Operations, with a fault."""

    unavailable: float = 0.0  # of calls: 503 before it is carried out
    throttled: float = 0.0  # of calls: 429 before it is carried out
    lost: float = 0.0  # of calls: carried out, never answered
    delayed: float = 0.0  # of calls
    delay_s: float = 1.0
    hidden: float = 0.0  # of Operations: 404 at first
    hidden_s: float = 0.5
    error_early: float = 0.0  # of failing Operations
    failed: float = 0.0  # of builds


STORM = Rates(
    unavailable=0.02, throttled=0.01, lost=0.02, delayed=0.02, hidden=0.05, error_early=0.5, failed=0.01
)  # what a seed alone implies: faults under which a run must still report the truth


class Faults:
    """Draws faults, call by call. What a test has scripted comes first, in order."""

    def __init__(self, rates: Rates | None = None, *, seed: int = 0, failing_functions: Iterable[str] = ()) -> None:
        self.rates = rates or Rates()
        self.failing_functions = set(failing_functions)  # names whose builds fail
        self._rng = random.Random(seed)
        self._calls: defaultdict[str, deque[Trouble]] = defaultdict(deque)
        self._fates: defaultdict[str, deque[Fate]] = defaultdict(deque)

    def fail_next(self, call: str, *troubles: Trouble) -> None:
        """Script the next calls of that name ("createVersion", "get operation"). Without troubles: one 503."""
        self._calls[call].extend(troubles or (Trouble(refusal=Fault(Code.UNAVAILABLE, UNAVAILABLE)),))

    def settle_next(self, call: str, *fates: Fate) -> None:
        """Script the next Operations that a call begins. Without fates: one failed build."""
        self._fates[call].extend(fates or (Fate(error=Fault(Code.INVALID_ARGUMENT, BUILD_FAILED)),))

    def trouble(self, call: str) -> Trouble:
        """Draw what happens to a call. The number of draws is fixed, so that one rate does not shift another."""
        if self._calls[call]:
            return self._calls[call].popleft()
        rates, draws = self.rates, [self._rng.random() for _ in range(4)]
        delay_s = rates.delay_s if draws[0] < rates.delayed else 0.0
        if draws[1] < rates.unavailable:
            return Trouble(Fault(Code.UNAVAILABLE, UNAVAILABLE), delay_s=delay_s)
        if draws[2] < rates.throttled:
            return Trouble(Fault(Code.RESOURCE_EXHAUSTED, THROTTLED), delay_s=delay_s)
        return Trouble(lost=draws[3] < rates.lost, delay_s=delay_s)

    def fate(self, call: str, function_name: str) -> Fate:
        """Draw what happens to the Operation that a call begins."""
        if self._fates[call]:
            return self._fates[call].popleft()
        rates, draws = self.rates, [self._rng.random() for _ in range(3)]
        fails = call == "createVersion" and (draws[0] < rates.failed or function_name in self.failing_functions)
        return Fate(
            error=Fault(Code.INVALID_ARGUMENT, BUILD_FAILED) if fails else None,
            error_early=draws[1] < rates.error_early,
            hidden_s=rates.hidden_s if draws[2] < rates.hidden else 0.0,
        )
