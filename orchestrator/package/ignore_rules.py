"""Which files of a folder are packed: gitignore rules as git applies them, and files that are excluded by default.

By precedence: `exclude` of the manifest, the `.orchestratorignore` nearest to the file, those above it up to the
manifest's folder, the defaults. In one list, the last pattern that matches decides. Nothing below an excluded folder
can be included again. `include` narrows the rest: its last pattern that matches a file, or a folder above it, decides.
Unlike in git, a link counts as its target, because links are followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum

from orchestrator.errors import PackageError
from orchestrator.package.entry import printable
from orchestrator.package.globs import Pattern, compiled

IGNORE_FILE = ".orchestratorignore"
# Excluded unless a line with "!" names them; wildcards alone (`!*/`) name nothing. The manifest's own files and the
# state folder are excluded too: see `Project.own`. docs/packages.md has the whole list.
LEFT_OUT_NAMES = frozenset({
    ".git", ".hg", ".svn", ".bzr", ".jj", "_darcs", "CVS",  # version control
    ".orchestrator", IGNORE_FILE,
    "__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini",
    ".idea", ".vscode",
})  # fmt: skip
LEFT_OUT_ENDINGS = ("~", ".swp", ".swo")  # editors' copies
# Before there were defaults, only these were excluded, whatever a line said.
FORMERLY_LEFT_OUT = frozenset({".git", ".orchestrator", IGNORE_FILE})
_COMPARED_MAX = 2_000  # names that are compared to find a similar one: slow, and only a hint
_HARMLESS_ENV = frozenset({"example", "sample", "template", "dist", "defaults", "schema"})  # .env.example


class Ruling(Enum):
    """What the rules decide about a path, if all folders above it are in."""

    IN = "in"
    NAMED = "in, because a line with ! names it"
    OUT = "left out"


@dataclass(frozen=True, slots=True)
class _List:
    """The patterns of one list. `base`: the folder of the source that they are relative to ("" or "a/b/"). `above`: the
    path down to the source, if the list is above it. `place`: "exclude", or the ignore file's path for messages.
    """

    patterns: tuple[Pattern, ...]
    base: str = ""
    above: str = ""
    place: str = "exclude"

    def last(self, path: str, *, is_folder: bool) -> Pattern | None:
        """Return the pattern that decides."""
        if not self.patterns:
            return None
        text = (self.above + path.removeprefix(self.base)).encode("utf-8", "surrogateescape")
        for pattern in reversed(self.patterns):
            if pattern.matches(text, is_folder=is_folder):
                return pattern
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for one folder. Paths are relative to the source, with "/" between names.

    `defaults`: whether default exclusions apply. They do not apply to a zip, which was made on purpose.
    """

    exclude: _List
    ignore: tuple[_List, ...] = ()  # the nearest first
    include: tuple[Pattern, ...] | None = None
    defaults: bool = True
    is_new: bool = False  # a list or pattern counts that earlier did not

    def within(self, folder: str, lines: Iterable[str], path: str, shown: str) -> Rules:
        """Add the ignore file of `folder` ("" is the source itself), at a path on this machine."""
        base = f"{folder}/" if folder else ""
        found = patterns(lines, shown, path)
        is_new = self.is_new or _any_new(found)
        return replace(self, ignore=(_List(found, base, place=shown), *self.ignore), is_new=is_new)

    def below(self, above: str, lines: Iterable[str], path: str, shown: str) -> Rules:
        """Add an ignore file above the source. `above`: the path from there ("teams/a/")."""
        found = patterns(lines, shown, path)
        return replace(self, ignore=(_List(found, above=above, place=shown), *self.ignore), is_new=True)

    def judge(self, path: str, *, is_folder: bool, own: bool = False) -> Ruling:
        """Return whether a path is excluded. `own`: it is the manifest, or the state folder."""
        found, _ = self._decides(path, is_folder=is_folder)
        if found is not None and not found.negated:
            return Ruling.OUT
        if found is not None and found.names:
            return Ruling.NAMED
        return Ruling.OUT if self.defaults and (own or by_default(path)) else Ruling.IN

    def formerly_excludes(self, path: str, *, is_folder: bool) -> bool:
        """Return whether the program excluded the path before there were defaults and ignore files above the source."""
        if path.rpartition("/")[2] in FORMERLY_LEFT_OUT:
            return True
        lists = (
            replace(rules, patterns=tuple(pattern for pattern in rules.patterns if not pattern.is_new))
            for rules in (self.exclude, *self.ignore)
            if not rules.above
        )
        found = next((last for rules in lists if (last := rules.last(path, is_folder=is_folder)) is not None), None)
        return found is not None and not found.negated

    def _decides(self, path: str, *, is_folder: bool) -> tuple[Pattern | None, str]:
        """Return the pattern that decides, and the place of its list."""
        for rules in (self.exclude, *self.ignore):
            if (found := rules.last(path, is_folder=is_folder)) is not None:
                return found, rules.place
        return None, ""

    def why_out(self, path: str, *, is_folder: bool) -> str:
        """Return the rule that excludes a path, if all folders above it are in: `exclude "*.md"`."""
        if not self.includes(path, is_folder=is_folder):
            return "not matched by include"
        found, place = self._decides(path, is_folder=is_folder)
        return f'{place} "{printable(found.line)}"' if found is not None and not found.negated else "by default"

    def excludes(self, path: str, *, is_folder: bool) -> bool:
        """Return whether rules exclude the path, if all folders above it are in."""
        return self.judge(path, is_folder=is_folder) is Ruling.OUT

    def includes(self, path: str, *, is_folder: bool) -> bool:
        """Return whether `include` takes the file, or may take something below the folder."""
        if self.include is None:
            return True
        if is_folder:
            name = path.encode("utf-8", "surrogateescape")
            return any(not pattern.negated and pattern.may_reach(name) for pattern in self.include)
        found = self._includes(path)
        return found is not None and not found.negated

    def _includes(self, path: str) -> Pattern | None:
        return next((pattern for pattern in reversed(self.include or ()) if _speaks_of(pattern, path)), None)

    def asks_for(self, path: str) -> bool:
        """Return whether `include` names the file itself, and not only a folder above it or all files."""
        found = self._includes(path)
        name = path.encode("utf-8", "surrogateescape")
        return found is not None and found.names and found.matches(name, is_folder=False)

    def takes(self, path: str) -> bool:
        """Return whether a file is packed, checking the folders above it too (for trees that are not walked)."""
        if any(self.excludes(folder, is_folder=True) for folder in _above(path)):
            return False
        return not self.excludes(path, is_folder=False) and self.includes(path, is_folder=False)


def parse(include: Sequence[str], exclude: Sequence[str], source: str = "", *, defaults: bool = True) -> Rules:
    """Return the rules of a manifest. `source`: the folder that they are relative to. Raises `PackageError` for a
    pattern that can never match.
    """
    desired = patterns(include, "include", source) if include else None
    unwanted = patterns(exclude, "exclude", source)
    return Rules(_List(unwanted), include=desired, defaults=defaults, is_new=_any_new(unwanted))


def _any_new(found: Iterable[Pattern]) -> bool:
    return any(pattern.is_new for pattern in found)


def patterns(lines: Iterable[str], place: str, folder: str = "") -> tuple[Pattern, ...]:
    """Parse a list of patterns relative to `folder`. Raises `PackageError` with the first one that can match
    nothing.
    """
    found = []
    is_file = place not in ("include", "exclude")
    for number, line in enumerate(lines, 1):
        try:
            pattern = compiled(line)
            if pattern is not None:
                _refuse_own_folder(pattern, folder)
        except ValueError as error:
            where = f"{place}:{number}" if is_file else place
            advice = "patterns follow the rules of .gitignore; their paths are relative to " + (
                "the folder of that file" if is_file else "the source"
            )
            raise PackageError(f'{where}: "{printable(line)}" {error}', advice=advice) from error
        if pattern is not None:
            found.append(pattern)
    return tuple(found)


def by_default(path: str) -> bool:
    """Return whether a file or folder is excluded by default, by its name."""
    name = path.rpartition("/")[2]
    return name in LEFT_OUT_NAMES or name.endswith(LEFT_OUT_ENDINGS)


def may_hold_secrets(path: str) -> bool:
    """Return whether a file may be one of those with secrets on developers' machines: .env, .env.local."""
    name = path.rpartition("/")[2]
    return name.startswith(".env") and not _HARMLESS_ENV & set(name.split("."))


def takes_nothing(rules: Rules, taken: Sequence[str], left_out: Sequence[str], label: str) -> tuple[str, str]:
    """Return what is wrong with lines of `include` that match no packed file, as (a mistake, a warning), "" for none.

    A line without wildcards is a mistake: the file that it names is missing. One with wildcards may be shared by all
    functions of a team, some of which have no such file.
    """
    mistake = warning = ""
    for pattern in rules.include or ():
        if pattern.negated or any(_speaks_of(pattern, name) for name in taken):
            continue
        line = pattern.line
        known = [name for name in left_out if _speaks_of(pattern, name.rstrip("/"))]
        sentence = f'include: "{printable(line)}" matches no file of {label}'
        if known:
            sentence += f"; {printable(known[0])} is excluded by `exclude`, {IGNORE_FILE} or by default"
        else:
            desired = line.strip("/")
            names = [*taken, *(name.rstrip("/") for name in left_out)]
            near = get_close_matches(desired, names[:_COMPARED_MAX], n=1)
            sentence += f'; did you mean "{near[0]}"?' if near else ""
        if pattern.glob is None:
            mistake = mistake or sentence
        else:
            warning = warning or sentence
    return mistake, warning


def _speaks_of(pattern: Pattern, path: str) -> bool:
    name = path.encode("utf-8", "surrogateescape")
    above = _above(path)
    return pattern.matches(name, is_folder=False) or any(
        pattern.matches(folder.encode("utf-8", "surrogateescape"), is_folder=True) for folder in above
    )


def _above(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _refuse_own_folder(pattern: Pattern, folder: str) -> None:
    """Raise if a pattern begins with the path to its own folder, because patterns are relative to that folder."""
    if not pattern.anchored or not folder:
        return
    text = pattern.line.removeprefix("!").removeprefix("/").rstrip(" ")
    parts = folder.rstrip("/").split("/")
    for count in range(min(len(parts), text.count("/")), 0, -1):
        start = "/".join(parts[-count:]) + "/"
        if text.startswith(start) and text != start and not os.path.lexists(os.path.join(folder, parts[-count])):  # noqa: PTH118 - strings are cheaper than Paths
            right = f"{'!' if pattern.negated else ''}/{text.removeprefix(start)}"
            raise ValueError(f'can never match: it begins with its own folder; write "{right}"')
