"""The pictures of docs/, drawn from real runs: `python -m tests.picture` deploys examples/team and draws them.

`terminal.svg` is a frame of the live region. `slots.svg` and `steps.svg` are drawn from the report of such a run.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.e2e.harness import ROOT, run, terminal

PICTURES = ROOT / "docs" / "pictures"
_LINES, _COLUMNS = 40, 104
_HALF_DONE = re.compile(r"(\d+)/40 \(")
_AT_LEAST = 18  # functions that are deployed by then
_DEPLOY = ("deploy", "--env", "dev", "--sandbox", "--yes")
_WIDTH, _LEFT, _RIGHT, _BOTTOM, _HEIGHT = 800, 140, 780, 220, 190
_KINDS = {"package": "prepare", "upload": "prepare", "queue": "queue", "track": "track"}
# Readable on a light and on a dark page: with its own background.
_STYLE = """
.paper { fill: #fff } text { font: 12px sans-serif; fill: #333 } .end { text-anchor: end }
.grid { stroke: #ddd } .limit { stroke: #b5651d; stroke-width: 2; stroke-dasharray: 6 4 }
.area { fill: #cfe0fb; stroke: #2f6fdb; stroke-width: 1.5 }
.prepare { fill: #7a8f3a } .queue { fill: #999 } .ask { fill: #c77d12 } .track { fill: #2f6fdb }
"""
# No @font-face: use the reader's own fonts, and send no request to others.
_FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>orchestrator deploys 40 functions: progress by folder, operations in use, failures</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@contextmanager
def team() -> Iterator[Path]:
    """Yield a copy of the example, without the state of runs."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "team"
        shutil.copytree(ROOT / "examples" / "team", root, ignore=shutil.ignore_patterns(".orchestrator", "__pycache__"))
        yield root


def frame() -> pyte.Screen:
    """Deploy the example into the sandbox, on a terminal. Returns the screen when about half is done."""
    screen = pyte.Screen(_COLUMNS, _LINES)
    stream = pyte.Stream(screen)
    with team() as root, terminal(root, *_DEPLOY, window=(_LINES, _COLUMNS), shown=stream.feed) as deployment:
        while True:
            done = [int(found[1]) for line in screen.display if (found := _HALF_DONE.match(line))]
            if done and done[0] >= _AT_LEAST:
                return screen
            deployment.read_some()


def report() -> dict[str, Any]:
    """Deploy the example into the sandbox. Returns the report of the run."""
    with team() as root:
        assert run(root, *_DEPLOY).code == 0
        found: dict[str, Any] = json.loads(run(root, "report", "--json").out)
    return found


def slots(found: dict[str, Any]) -> str:
    """Return an SVG of the cloud's used slots over time, with its limit."""
    scope = next(one for one in found["scopes"] if one["kind"] == "cloud")
    limit, end_s = scope["limits"][-1]["allowed"], found["seconds"]
    parts = [_axis(end_s)]
    for count in range(0, limit + 1, 5):
        y = _BOTTOM - count / limit * _HEIGHT
        parts += [_line(_LEFT, y, _RIGHT, y, "grid"), f'<text x="{_LEFT - 8}" y="{y + 4}" class="end">{count}</text>']
    path, last = f"M{_LEFT},{_BOTTOM}", 0
    for at_s, count in scope["slots"]:
        x = _x(at_s, end_s)
        path += f" L{x:.1f},{_BOTTOM - last / limit * _HEIGHT:.1f} L{x:.1f},{_BOTTOM - count / limit * _HEIGHT:.1f}"
        last = count
    parts += [f'<path d="{path} L{_x(end_s, end_s):.1f},{_BOTTOM}" class="area"/>']
    top = _BOTTOM - _HEIGHT
    parts += [_line(_LEFT, top, _RIGHT, top, "limit"), f'<text x="{_RIGHT}" y="{top - 6}" class="end">limit</text>']
    return _svg(f"Slots in use over {end_s:.1f} seconds, of a limit of {limit}", parts, _BOTTOM + 40)


def steps(found: dict[str, Any]) -> str:
    """Return an SVG of the steps of some functions over time."""
    rows = sorted(found["functions"], key=lambda one: one["ended_s"] - one["waited_s"])[::3][:16]
    end_s = found["seconds"]
    bottom = 30 + 18 * len(rows)
    parts = [_axis(end_s, bottom)]
    for number, one in enumerate(rows):
        y = 20 + 18 * number
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 10}" class="end">{escape(one["function"])}</text>')
        for step in one["steps"]:
            kind = {"package": "prepare", "upload": "prepare", "queue": "queue", "track": "track"}.get(
                step["step"], "ask"
            )
            x, to = _x(step["from_s"], end_s), _x(step["to_s"], end_s)
            y_bar, height = (y + 5, 2) if kind == "queue" else (y, 12)
            parts.append(
                f'<rect x="{x:.1f}" y="{y_bar}" width="{max(1.0, to - x):.1f}" height="{height}" class="{kind}"/>'
            )
    names = {"prepare": "package", "queue": "waiting for a slot", "ask": "call", "track": "Operation in flight"}
    for number, (kind, name) in enumerate(names.items()):
        x = _LEFT + 150 * number
        parts.append(f'<rect x="{x}" y="{bottom + 34}" width="12" height="12" class="{kind}"/>')
        parts.append(f'<text x="{x + 18}" y="{bottom + 44}">{name}</text>')
    return _svg("Steps of functions over time", parts, bottom + 56)


def _x(at_s: float, end_s: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * at_s / end_s


def _line(x: float, y: float, to_x: float, to_y: float, kind: str) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" class="{kind}"/>'


def _axis(end_s: float, bottom: int = 0) -> str:
    bottom = bottom or _BOTTOM
    ticks = [
        f"{_line(_x(at, end_s), 14, _x(at, end_s), bottom, 'grid')}"
        f'<text x="{_x(at, end_s):.1f}" y="{bottom + 18}" text-anchor="middle">{at} s</text>'
        for at in range(int(end_s) + 1)
    ]
    return "".join(ticks)


def _svg(title: str, parts: list[str], height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n<rect width='{_WIDTH}' height='{height}' class='paper'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def drawn(screen: pyte.Screen) -> str:
    """Return an SVG of a screen's live region."""
    top = next(number for number, line in enumerate(screen.display) if _HALF_DONE.match(line))
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print("$ orchestrator deploy --env dev\n", style="bold")
    for number in range(top, screen.cursor.y + 1):
        line = Text()
        for column in range(_COLUMNS):
            cell = screen.buffer[number][column]
            colour = None if cell.fg == "default" else cell.fg.replace("brown", "yellow")
            line.append(cell.data, Style(color=colour, bold=cell.bold, dim=False))
        line.rstrip()
        console.print(line, no_wrap=True, crop=True)
    return console.export_svg(title="orchestrator", code_format=_FORMAT, unique_id="run")


def main() -> None:
    """Write the three pictures."""
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "terminal.svg").write_text(drawn(frame()), "utf-8")
    found = report()
    (PICTURES / "slots.svg").write_text(slots(found), "utf-8")
    (PICTURES / "steps.svg").write_text(steps(found), "utf-8")


if __name__ == "__main__":
    main()
