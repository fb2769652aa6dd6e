"""docs/pictures/terminal.svg, a frame of a real run: `python -m tests.picture` deploys examples/team and draws it."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.e2e.harness import ROOT, terminal

PICTURE = ROOT / "docs" / "pictures" / "terminal.svg"
_LINES, _COLUMNS = 40, 104
_HALF_DONE = re.compile(r"(\d+)/40 \(")
_AT_LEAST = 18  # functions that are deployed by then
# No @font-face: a reader's own fonts, and no request to others.
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


def frame() -> pyte.Screen:
    """Deploy the example into the sandbox, on a terminal, and return the screen when about half is done."""
    with tempfile.TemporaryDirectory() as folder:
        team = Path(folder) / "team"
        shutil.copytree(ROOT / "examples" / "team", team, ignore=shutil.ignore_patterns(".orchestrator", "__pycache__"))
        screen = pyte.Screen(_COLUMNS, _LINES)
        stream = pyte.Stream(screen)
        window = (_LINES, _COLUMNS)
        arguments = ("deploy", "--env", "dev", "--sandbox", "--yes")
        with terminal(team, *arguments, window=window, shown=stream.feed) as run:
            while True:
                done = [int(found[1]) for line in screen.display if (found := _HALF_DONE.match(line))]
                if done and done[0] >= _AT_LEAST:
                    return screen
                run.read_some()


def drawn(screen: pyte.Screen) -> str:
    """Draw the live region of a screen as SVG."""
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


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn(frame()), "utf-8")
