"""The live region of a run as lines: never wider or higher than the window, the least important left out first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import NamedTuple

from orchestrator.redaction.outlet import Outlet
from orchestrator.report.display.doing import doing_how_far, own_work_s
from orchestrator.report.display.live_counts import QUEUED, RUNNING, TO_DO, LiveCounts, QuotaUse
from orchestrator.report.plain_text import aligned, cells, counted, cut_end, pad, shorten, time_span
from orchestrator.report.views import BuildRow

_SLOWEST = 4  # functions shown
_FAILED = 3  # causes of failures shown
_NAME_CELLS = 40  # of a function's name, where the window is wide enough
_DONE = ("deployed", "pruned", "unchanged")
_OTHERS = (
    "failed",
    "unknown",
    "inconclusive",
    "blocked",
    "cancelled",
)  # outcomes that get a column where there are any
_LABELS = len("slowest")
_NARROW = 32  # cells: in a narrower window nothing is aligned to labels


class Line(NamedTuple):
    """A line, and its style in the terms of rich. The style adds nothing that the text does not say."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class HeadPart:
    """A part of the head. `rank`: the parts with the highest are shortened first, to their `short` form."""

    rank: int
    text: str
    short: str = ""


def head(parts: Iterable[HeadPart], width: int) -> str:
    """Return the parts joined into a line of at most so many cells."""
    left = [part for part in parts if part.text]
    texts = {part: part.text for part in left}
    for part in sorted(left, key=lambda part: -part.rank):
        text = "; ".join(text for text in texts.values() if text)
        if len(text) <= width or part is left[0]:
            break
        texts[part] = part.short
    return cut_end("; ".join(text for text in texts.values() if text), width)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a frame shows. `notices`: what the run waits for; `clouds`: folder → cloud; `wave`: "" where there is only
    one.
    """

    first: str
    notices: Sequence[str]
    counts: LiveCounts
    clouds: Mapping[str, str]
    builds: Sequence[BuildRow]
    wave: str
    now: float


def frame(of: Drawn, outlet: Outlet, width: int, height: int) -> list[Line]:
    """Return the lines of a region of at most `width` cells and `height` lines. There is at least one, the head.

    Where there is no room for all, rows are left out first, then whole blocks: builds, the table, the slowest
    functions, failures, notices.
    """
    table = WaveTable(of.counts, of.clouds, of.wave)
    blocks = {
        "notices": [Line(cut_end(outlet.line(text), width), "yellow") for text in of.notices],
        "slowest": _slowest(of.counts, outlet, of.now, width),
        "builds": [Line(text) for text in build_lines(of.builds, outlet, width)],
        "failed": _failed(of.counts, outlet, width),
    }
    sizes = {name: len(lines) for name, lines in blocks.items()} | {"table": table.height}
    rows = shared(sizes, height - 1)
    lines = [Line(of.first, "bold"), *blocks["notices"][: rows["notices"]], *table.lines(rows["table"], width)]
    for name in ("slowest", "builds", "failed"):
        lines += blocks[name][: rows[name]]
    return lines


# The order in which blocks get rows. Each entry: the block may have up to so many rows by then (None: all).
_SHARES: Sequence[tuple[str, int | None]] = (
    ("notices", 1), ("failed", 1), ("table", 2), ("slowest", 1), ("failed", 2), ("table", 4), ("builds", 1),
    ("slowest", 2), ("notices", None), ("failed", None), ("table", 8), ("slowest", None), ("builds", None),
    ("table", None),
)  # fmt: skip
_TABLE_LEAST = 2  # rows: a head without a row is useless


def shared(desired: dict[str, int], height: int) -> dict[str, int]:
    """Return how many of so many rows each block gets. `desired`: how many rows it has."""
    given = dict.fromkeys(desired, 0)
    left = max(0, height)
    for name, most in _SHARES:
        more = min(desired[name] if most is None else min(most, desired[name]), given[name] + left) - given[name]
        if more > 0 and (name != "table" or given[name] + more >= _TABLE_LEAST):
            given[name] += more
            left -= more
    return given


_Row = tuple[str, Counter[str], QuotaUse | None]  # the name, counts by state or outcome, Operations


class WaveTable:
    """The table of a wave, by folder: functions by state, Operations in use and allowed, refusals."""

    def __init__(self, counts: LiveCounts, clouds: Mapping[str, str], wave: str) -> None:
        self._counts = counts
        self._wave = wave
        by_folder = counts.rows.get(counts.wave, {})
        # Folders that are worked on come first, then those that wait.
        folders = sorted(by_folder, key=lambda folder: (_is_over(by_folder[folder]), folder))
        self._rows: list[_Row] = [
            (folder, by_folder[folder], counts.quotas.get(f"folder {folder}")) for folder in folders
        ]
        self._all = sum((+row for _, row, _ in self._rows), Counter[str]())
        self._last: list[_Row] = [(name, Counter[str](), use) for name, use in _clouds(counts, clouds)]
        if len(self._rows) > 1:
            self._last.insert(0, ("all folders", self._all, None))

    @property
    def height(self) -> int:
        """The number of lines, with the head."""
        return 1 + len(self._rows) + len(self._last) if self._rows else 0

    def lines(self, most: int, width: int) -> list[Line]:
        """Return at most so many lines. What is left out is counted."""
        if not most:
            return []
        fit = most - 1
        rows, last = self._rows, self._last[: max(0, fit - len(self._rows))]
        if len(rows) > fit:
            more = counted(len(rows) - fit + 1, "more folder")
            rows, last = rows[: fit - 1], [(f"… {more}", Counter[str](), None)]
        others = [name for name in _OTHERS if self._all[name]]
        columns = ["done", *others, RUNNING, QUEUED, TO_DO, "slots", "refused"]
        if not any(use.refused for use in self._counts.quotas.values()):
            columns.remove("refused")
        table = [[name, *(_cell(column, row, use) for column in columns)] for name, row, use in (*rows, *last)]
        spare = ("refused", QUEUED, RUNNING, *reversed(others[1:]), "done", TO_DO, "slots", *others[:1])
        text = aligned(
            [self._wave or "folder", *columns], table, width=width - 2, numbers=frozenset(columns),
            spare=[name for name in spare if name in columns],
        )  # fmt: skip
        return [
            Line(cut_end(f"  {line}", width), "" if number else "dim") for number, line in enumerate(text.split("\n"))
        ]


def _is_over(row: Counter[str]) -> bool:
    return not (row[RUNNING] or row[QUEUED] or row[TO_DO])


def _clouds(counts: LiveCounts, clouds: Mapping[str, str]) -> Iterable[tuple[str, QuotaUse]]:
    """Yield the clouds whose own limit matters: it is at most a folder's, spans several folders, or was refused."""
    for what, use in counts.quotas.items():
        kind, _, cloud = what.partition(" ")
        if kind == "cloud":
            folders = frozenset(folder for folder, owner in clouds.items() if owner == cloud)
            limits = [
                counts.quotas[one].limit or 0.0 for folder in folders if (one := f"folder {folder}") in counts.quotas
            ]
            if len(folders) > 1 or use.refused or (use.limit or 0.0) <= max(limits, default=0.0):
                yield f"cloud {cloud}", QuotaUse(counts.used_of_cloud(folders), use.limit, use.refused)


def _cell(column: str, row: Counter[str], use: QuotaUse | None) -> str:
    match column:
        case "slots":
            return "" if use is None else f"{use.used}/{use.limit:g}" if use.limit is not None else str(use.used)
        case "refused":
            return str(use.refused or "") if use is not None else ""
        case "done":
            return str(sum(row[name] for name in _DONE)) if row else ""
    return str(row[column]) if row else ""


def _slowest(counts: LiveCounts, outlet: Outlet, now: float, width: int) -> list[Line]:
    """Return the running functions that have worked longest."""
    found = nsmallest(_SLOWEST, counts.working.values(), key=lambda unit: -own_work_s(unit, now))
    names = [shorten(outlet.line(unit.key), min(_NAME_CELLS, max(8, width // 3))) for unit in found]
    times = [time_span(own_work_s(unit, now)) for unit in found]
    widths = [max((cells(text) for text in texts), default=0) for texts in (names, times)]
    return [
        _labelled(
            "slowest" if number == 0 else "",
            f"{pad(names[number], widths[0])}  {pad(times[number], widths[1], right=True)}  {doing_how_far(unit)}",
            width,
        )
        for number, unit in enumerate(found)
    ]


def _failed(counts: LiveCounts, outlet: Outlet, width: int) -> list[Line]:
    """Return the latest causes of failures, the last first."""
    lines = list[Line]()
    for cause in reversed(counts.causes.values()):
        if cause.count > 0 and len(lines) < _FAILED:
            name = shorten(outlet.line(cause.key), max(8, width // 3))
            others = f" and {cause.count - 1} more" if cause.count > 1 else ""
            text = f"{name}{others}: {outlet.line(cause.text)}"
            lines.append(_labelled("failed", text, width, "red"))
    return lines


def _labelled(label: str, text: str, width: int, style: str = "") -> Line:
    shown = f"  {pad(label, _LABELS)}  {text}" if width >= _NARROW else f"{label} {text}".strip()
    return Line(cut_end(shown, width), style)


def build_lines(rows: Iterable[BuildRow], outlet: Outlet, width: int) -> list[str]:
    """Return a line for each build, none wider than `width`. A build's output is not trusted."""
    lines = []
    for row in rows:
        building = f"building, {time_span(row.seconds)}"
        last = f": {outlet.line(row.last_line)}" if row.last_line else ""
        lines.append(cut_end(f"  {pad(shorten(outlet.line(row.functions), 40), 40)}  {building}{last}", width))
    return lines
