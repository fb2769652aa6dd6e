"""Which files of a folder go into a package: gitignore rules, as git itself applies them.

In order of weight: `exclude` of the manifest, the `.orchestratorignore` nearest to the file, those above it. Of the
patterns of one list the last that matches decides; nothing below a folder that is left out can be taken back.
`include` narrows what is left: of its patterns the last that matches a file, or a folder above it, decides.
Unlike in git, a link counts as what it leads to, since links are followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pathspec import GitIgnoreSpec, RegexPattern

from orchestrator.errors import PackageError

IGNORE_FILE = ".orchestratorignore"
ALWAYS_LEFT_OUT = frozenset({".git", ".orchestrator", IGNORE_FILE})


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line of rules. `anchored`: it has a slash before its end, so it counts from the folder of its list."""

    compiled: RegexPattern
    positive: bool  # no "!" before it
    folders_only: bool
    anchored: bool

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Match the path itself, not something above it: what is above was judged before, on the way down."""
        if self.folders_only and not is_folder:
            return False
        tested = path if self.anchored else path.rpartition("/")[2]
        found = self.compiled.match_file(f"{tested}/" if self.folders_only else tested)
        if found is None:
            return False
        # The only group of pathspec's expressions is the slash behind a matching folder: ours is at the very end.
        mark = found.match.end(1) if found.match.re.groups and found.match.lastindex else 0
        return mark == (len(tested) + 1 if self.folders_only else 0)


@dataclass(frozen=True, slots=True)
class _List:
    """The patterns of one list, and the folder that they count from ("" or "a/b/")."""

    base: str
    patterns: tuple[_Pattern, ...]

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Tell whether the path is left out; None where no pattern speaks of it."""
        for pattern in reversed(self.patterns):
            if pattern.matches(path.removeprefix(self.base), is_folder=is_folder):
                return pattern.positive
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold in one folder. Paths are relative to the source, with "/" between names."""

    exclude: _List
    ignore: tuple[_List, ...] = ()  # the nearest first
    include: _List | None = None
    include_lines: tuple[str, ...] = ()

    def within(self, folder: str, lines: Iterable[str]) -> Rules:
        """Add an ignore file that lies in `folder` ("" is the source itself)."""
        base = f"{folder}/" if folder else ""
        return replace(self, ignore=(_List(base, _patterns(lines, f"{base}{IGNORE_FILE}")), *self.ignore))

    def excludes(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether rules leave the path out, all above it being in."""
        if path.rpartition("/")[2] in ALWAYS_LEFT_OUT:
            return True
        for rules in (self.exclude, *self.ignore):
            verdict = rules.verdict(path, is_folder=is_folder)
            if verdict is not None:
                return verdict
        return False

    def includes(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether `include` takes the file, or may take something below the folder."""
        if self.include is None:
            return True
        if is_folder:
            return any(_reaches(line, path) for line in self.include_lines)
        above = _above(path)
        for pattern in reversed(self.include.patterns):
            below = any(pattern.matches(folder, is_folder=True) for folder in above)
            if below or pattern.matches(path, is_folder=False):
                return pattern.positive
        return False

    def takes(self, path: str) -> bool:
        """Tell whether a file goes in, looking at the folders above it too (for trees that are not walked)."""
        if any(self.excludes(folder, is_folder=True) for folder in _above(path)):
            return False
        return not self.excludes(path, is_folder=False) and self.includes(path, is_folder=False)


def parse(include: Sequence[str], exclude: Sequence[str]) -> Rules:
    """Make the rules of a manifest. Raises `PackageError` for a pattern that is none."""
    lines = tuple(line for line in include if line.strip())
    wanted = _List("", _patterns(lines, "include")) if include else None
    return Rules(_List("", _patterns(exclude, "exclude")), include=wanted, include_lines=lines)


def _above(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _patterns(lines: Iterable[str], place: str) -> tuple[_Pattern, ...]:
    found = []
    for line in lines:
        # pathspec takes "a/**/" for "a/"; to git it is every folder below a.
        written = f"{line.rstrip()[:-1]}/*/" if line.rstrip().endswith("/**/") else line
        try:
            compiled = GitIgnoreSpec.from_lines([written]).patterns
        except ValueError as error:  # the base of pathspec's own error
            advice = "write it as in a .gitignore file"
            raise PackageError(f"{place}: {line!r} is not a gitignore pattern", advice=advice) from error
        text = line.strip().removeprefix("!")
        for pattern in compiled:
            if isinstance(pattern, RegexPattern) and pattern.include is not None:
                anchored = "/" in text.rstrip("/") and text.strip("/") != "**"
                found.append(_Pattern(pattern, pattern.include, text.endswith("/"), anchored))
    return tuple(found)


def _reaches(line: str, folder: str) -> bool:
    """Tell whether a pattern of `include` may take something in the folder: then it is worth looking into."""
    text = line.strip()
    if text.startswith(("!", "#")):
        return False
    if "/" not in text.rstrip("/") or "\\" in text:
        return True
    for wanted, name in zip(text.strip("/").split("/"), folder.split("/"), strict=False):
        if wanted == "**":
            return True
        if not fnmatchcase(name, wanted):
            return False
    return True
