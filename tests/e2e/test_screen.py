"""The screen of a terminal during a run and after it, also when the window is resized."""

from __future__ import annotations

import re

import pyte
import pytest

from tests.e2e.harness import Cloud, Project, terminal
from tests.long import LONG

HEAD = re.compile(r"\d+/\d+ \(\d+ %\)")


class Watched:
    """A screen, and the observed frames of the live region with the size of the window."""

    def __init__(self, lines: int, columns: int) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        self.frames: list[tuple[int, int, list[str]]] = []

    def __call__(self, part: str) -> None:
        self._stream.feed(part)
        heads = [number for number, line in enumerate(self.screen.display) if HEAD.match(line)]
        assert len(heads) <= 1, "what was drawn before is still there"
        if heads:
            frame = self.screen.display[heads[0] : self.screen.cursor.y + 1]
            if self.frames[-1:] != [found := (self.screen.lines, self.screen.columns, frame)]:
                self.frames.append(found)

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)


@pytest.mark.parametrize("window", [(3, 20), pytest.param((24, 80), marks=LONG)])
def test_frames_fit_the_window_and_the_screen_holds_the_summary_at_the_end(
    cloud: Cloud, project: Project, window: tuple[int, int]
) -> None:
    project.write(62, folder_ids=(f"{project.folder_id}a", f"{project.folder_id}b"))
    seen, (lines, columns) = Watched(*window), (30, 100)
    with terminal(project.root, "deploy", "--yes", environ=cloud.environ(), window=window, shown=seen) as screen:
        screen.read_until("/62 (")
        while len(seen.frames) < 3:
            screen.read_some()
        screen.resize(lines, columns)
        seen.screen.resize(lines, columns)
        end = screen.end()
    assert end.code == 0, end.out
    assert {(height, width) for height, width, _ in seen.frames} == {window, (lines, columns)}
    for height, width, frame in seen.frames:
        assert 1 <= len(frame) < height
        assert all(line[width - 1] == " " for line in frame), "wider than the window"
    assert any(line.startswith("  all folders") for _, _, frame in seen.frames for line in frame)
    text = seen.text()
    assert "62 functions: 62 deployed in " in text
    assert not HEAD.search(text), "the live region is wiped"
