"""Pages of the documentation that are carried out from top to end, as a reader would.

A block of `sh` is run line by line; `# exits with N` at the end of a line is its exit code. A block of `text`
below it is what these lines print: its lines in their order, each with `…` for anything. A block with a
`title="PATH"` is a file: written, appended with `append`, or, as `diff`, edited at a place that is found once.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.harness import ROOT, Cloud, Ended
from tests.e2e.shells import shell

_PART = re.compile(r"^```(\w+)((?: [^\n]*)?)\n(.*?)^```$|^## (.+?)$", re.DOTALL | re.MULTILINE)
_EXITS = re.compile(r"\s+# exits with (\d+)$")


@dataclass(slots=True)
class Reader:
    """A reader who types what a page says: the folder that they are in, and the variables that they have set."""

    root: Path
    cloud: Cloud | None
    variables: dict[str, str] = field(default_factory=dict)
    last: list[Ended] = field(default_factory=list)
    commands: int = 0

    def follow(self, name: str, **meanwhile: Callable[[], object]) -> None:
        """Do what a page of docs/ says. `meanwhile`: what else happens before the step with
        that number: `step_2`. Raises `AssertionError` where something else happens than the page says.
        """
        page = (ROOT / "docs" / name).read_text("utf-8")
        for language, info, text, heading in _PART.findall(page):
            title = re.search(r'title="([^"]+)"', info)
            if heading:
                meanwhile.get(f"step_{heading.partition('.')[0]}", lambda: None)()
            elif title is not None:
                self._write(self.root / title[1], language, text, append=info.endswith(" append"))
            elif language == "sh":
                self.last = [self._type(line) for line in _lines(text)]
            elif language == "crontab":
                command = text.split(maxsplit=5)[5].replace("/srv/functions", ".")
                self.last = [self._type(command)]
                assert self.last[0].out + self.last[0].err == "", "cron mails what is printed"
            elif language == "text":
                self._compare(text)

    def _type(self, line: str) -> Ended:
        expected = _EXITS.search(line)
        command = line.partition("  #")[0].strip()
        if command.startswith("export "):
            name, _, value = shlex.split(command)[1].partition("=")
            self.variables[name] = value
            return Ended(0, "", "")
        if re.fullmatch(r"cd \S+", command):
            self.root = (self.root / command[3:]).resolve()
            return Ended(0, "", "")
        end = shell(command, self.root, self.cloud, self.variables)
        self.commands += 1
        assert end.code == int(expected[1] if expected else 0), (command, end)
        return end

    def _compare(self, text: str) -> None:
        shown = "\n".join([*(end.out for end in self.last), *(end.err for end in self.last)])
        at = 0
        for line in filter(None, map(str.strip, text.splitlines())):
            words = [re.escape(part.strip()).replace("\\ ", r"\s+") for part in re.split("…", line)]
            found = re.compile(r"[^\n]*?".join(re.sub(r"(\\s\+)+", r"\\s+", word) for word in words)).search(shown, at)
            assert found is not None, f"not printed: {line}\nafter:\n{shown[:at]}\nbut:\n{shown[at:]}"
            at = found.end()

    def _write(self, file: Path, language: str, text: str, *, append: bool) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        if language == "diff":
            edit(file, text)
        else:
            file.write_text(f"{file.read_text('utf-8')}\n{text}" if append else text, "utf-8")


def edit(file: Path, diff: str) -> None:
    """Apply a block of `diff`: its lines are found once, in order."""
    before, after = (
        "".join(f"{line[1:]}\n" for line in diff.splitlines() if line[:1] in kept) for kept in (" -", " +")
    )
    old = file.read_text("utf-8")
    assert old.count(before) == 1, f"{file} has {old.count(before)} times: {before}"
    file.write_text(old.replace(before, after), "utf-8")


def _lines(text: str) -> Iterator[str]:
    """Yield commands; a backslash at the end joins a line with the next."""
    yield from filter(None, map(str.strip, text.replace("\\\n", " ").splitlines()))
