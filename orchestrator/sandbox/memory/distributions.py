"""How long the sandbox's Operations take."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

_PARTS = re.compile(r"(\d+(?:\.\d+)?)\*(.+)")
_NUMBER = r"(\d+(?:\.\d+)?)"
_FORMS = {
    "lognormal": re.compile(rf"lognormal:{_NUMBER},{_NUMBER}"),
    "fixed": re.compile(rf"fixed:{_NUMBER}"),
    "uniform": re.compile(rf"{_NUMBER}-{_NUMBER}"),
}
BUILD_FACTOR = 1.5  # a version whose package makes the builder install something
BRIEF_FACTOR = 0.25  # everything but createVersion


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution: "lognormal:MEDIAN,SIGMA", "fixed:SECONDS" or "LOW-HIGH" (uniform), all in seconds; or a mixture
    of them with their weights, "9*fixed:1+1*fixed:30".
    """

    kind: str = "lognormal"
    first: float = 1.2  # docs show "done (1s)" for a code-only version (cloud-api §1.4)
    second: float = 0.4
    parts: tuple[tuple[float, Distribution], ...] = ()

    @staticmethod
    def parse(text: str) -> Distribution:
        """Read a distribution. Raises `ValueError` with what is allowed."""
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
            f'{text!r} is no duration: write "lognormal:1.2,0.4", "fixed:1", "0.5-2" (seconds)'
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
