"""One pattern of a gitignore file, parsed as git parses it, including bytes, and matched in linear time.

A pattern becomes a row of places. Each place takes one byte or, for a star, any number. All places that the text may
have reached are one integer, which is advanced byte by byte. Nothing is tried twice, so no pattern can take long. One
quirk of git is kept: the part before the first wildcard is compared first, and `foo**/bar` continues as `**/bar`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

_SLASH = ord("/")
_SPECIAL = frozenset(b"*?[\\")
_ALL = frozenset(range(256))
_NO_SLASH = _ALL - {_SLASH}
_CLASSES = {
    b"alnum": b"0-9A-Za-z", b"alpha": b"A-Za-z", b"blank": b" \t", b"cntrl": b"\0-\x1f\x7f", b"digit": b"0-9",
    b"graph": b"!-~", b"lower": b"a-z", b"print": b" -~", b"punct": b"!-/:-@[-`{-~", b"space": b" \t-\r",
    b"upper": b"A-Z", b"xdigit": b"0-9A-Fa-f",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Glob:
    """The part of a pattern from its first wildcard. Masks of places: bit n is the place before the n-th element."""

    takes: tuple[int, ...]  # for each byte: the places whose element is that one byte
    stars: tuple[int, int]  # the places of "*" and "**", and those of "**" alone: they may take a byte and stay
    skips: int  # the places of "**/", which may be skipped completely
    end: int

    def matches(self, text: bytes) -> bool:
        """Match the whole text."""
        any_star, deep_star = self.stars
        skips, takes = self.skips, self.takes
        places = 1 | (1 & skips) << 2
        places |= (places & any_star) << 1
        for byte in text:
            reached = (places & takes[byte]) << 1
            reached |= (reached & skips) << 2  # only on arrival: what stays in "**/" has consumed a part of a name
            places = reached | (places & (deep_star if byte == _SLASH else any_star))
            if not places:
                return False
            places |= (places & any_star) << 1
        return places & self.end != 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. `anchored`: it has a slash before its end, so it is matched against the path from its list's folder,
    else against the last name only. `names`: its last name has more than wildcards.
    """

    line: str
    negated: bool  # "!" before it
    folders_only: bool  # "/" after it
    anchored: bool
    names: bool
    literal: bytes
    glob: Glob | None  # None: no wildcard
    reach: tuple[Glob, ...]  # of an anchored one: its folders, one by one, up to one that matches several
    is_new: bool  # [[:digit:]], foo**/bar: before this module, they matched nothing, or something else

    def matches(self, path: bytes, *, is_folder: bool) -> bool:
        """Match the path itself, not a folder above it: those are judged earlier, on the way down."""
        if self.folders_only and not is_folder:
            return False
        text = path if self.anchored else path[path.rfind(b"/") + 1 :]
        if self.glob is None:
            return text == self.literal
        return text.startswith(self.literal) and self.glob.matches(text[len(self.literal) :])

    def may_reach(self, folder: bytes) -> bool:
        """Return whether it may match something in the folder, so that the folder must be searched."""
        return not self.anchored or all(
            glob.matches(name) for glob, name in zip(self.reach, folder.split(b"/"), strict=False)
        )


@lru_cache(maxsize=8192)  # the lists of many functions have the same lines
def compiled(line: str) -> Pattern | None:
    """Parse one line; None for an empty line or a comment. Raises `ValueError` if it can never match or is surely a
    mistake. The message continues a sentence after the pattern.
    """
    if not line or line.startswith("#"):
        return None
    trimmed = _without_trailing_spaces(line)
    if not trimmed:
        return None
    negated = trimmed.startswith("!")
    text = trimmed[negated:]
    folders_only = text.endswith("/")
    body = text[: len(text) - folders_only]
    if "\n" in body:
        raise ValueError("has a line break: write each pattern as a separate string")
    _refuse_spelling(text, body, "!" if negated else "")
    anchored = "/" in body
    pattern = body.removeprefix("/").encode("utf-8", "surrogateescape")
    start = next((at for at, byte in enumerate(pattern) if byte in _SPECIAL), len(pattern))
    # git starts again after the literal part of an anchored pattern: stars there count as if they followed a slash.
    glob = _glob(pattern[start:]) if start < len(pattern) else None
    return Pattern(
        line,
        negated,
        folders_only,
        anchored,
        any(byte not in b"*?" for byte in pattern[pattern.rfind(b"/") + 1 :]),
        pattern[:start],
        glob,
        _reach(pattern) if anchored else (),
        b"[:" in pattern or (anchored and start > 0 and pattern[start - 1] != _SLASH and b"**/" in pattern[start:]),
    )


def _without_trailing_spaces(line: str) -> str:
    """Strip spaces from the end, up to one that is escaped."""
    end = len(line)
    while end and line[end - 1] == " ":
        end -= 1
    escapes = len(line[:end]) - len(line[:end].rstrip("\\"))
    return line[: end + 1] if escapes % 2 and end < len(line) else line[:end]


def _refuse_spelling(text: str, body: str, before: str) -> None:
    parts = body.removeprefix("/").split("/")
    if not body.strip("/"):
        raise ValueError("is not a gitignore pattern: it names nothing")
    if ".." in parts:
        raise ValueError("can never match: patterns apply below their folder, never to `..`")
    if "" in parts or "." in parts:
        kept = "/".join(part for part in parts if part not in ("", "."))
        # Without the slash, the pattern would match in every folder.
        right = f"{before}{'/' if '/' in body else ''}{kept}{'/' if text.endswith('/') else ''}"
        raise ValueError(f'can never match: write "{right}"' if kept else "can never match: it names the folder")


def _reach(pattern: bytes) -> tuple[Glob, ...]:
    found = []
    for part in pattern.split(b"/")[:-1]:
        if b"**" in part or b"\\" in part:
            break
        try:
            found.append(_glob(part))
        except ValueError:  # half of a bracket with a slash in it
            break
    else:
        last = pattern.rpartition(b"/")[2]
        with_last = b"**" not in last and b"\\" not in last and b"[" not in last
        return (*found, _glob(last)) if with_last and last else tuple(found)
    return tuple(found)


def _glob(pattern: bytes) -> Glob:
    """Compile the rest of a pattern. Raises `ValueError` if it could never match."""
    elements: list[frozenset[int] | str] = []  # a set of bytes, "*", "**" or "**/" (its star; its slash follows)
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        if byte == b"*":
            end = at
            while pattern[end : end + 1] == b"*":
                end += 1
            whole = end - at > 1 and (at == 0 or pattern[at - 1] == _SLASH)
            if whole and pattern[end : end + 1] == b"/":
                if elements[-2:] == ["**/", frozenset({_SLASH})]:
                    end += 1  # a repetition has no effect
                else:
                    elements.append("**/")
            else:
                whole = whole and (end == len(pattern) or pattern[end : end + 2] == b"\\/")
                elements.append("**" if whole else "*")
            at = end
            continue
        if byte == b"[":
            taken, at = _bracket(pattern, at)
        elif byte == b"?":
            taken, at = _NO_SLASH, at + 1
        else:
            at += byte == b"\\"
            if at == len(pattern):
                raise ValueError("can never match: it ends with a backslash, which escapes what follows")
            taken, at = frozenset({pattern[at]}), at + 1
        elements.append(taken)
    return _masks(elements)


def _masks(elements: list[frozenset[int] | str]) -> Glob:
    takes = [0] * 256
    any_star = deep_star = skips = 0
    for place, element in enumerate(elements):
        bit = 1 << place
        if isinstance(element, str):
            any_star |= bit
            deep_star |= bit if element != "*" else 0
            skips |= bit if element == "**/" else 0
        else:
            for byte in element:
                takes[byte] |= bit
    return Glob(tuple(takes), (any_star, deep_star), skips, 1 << len(elements))


def _bracket(pattern: bytes, start: int) -> tuple[frozenset[int], int]:
    """Parse a bracket that begins at `start`. Returns the bytes that it takes, and where it ends."""
    at = start + 1
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    taken: set[int] = set()
    first, before = at, -1
    while at == first or pattern[at : at + 1] != b"]":  # one in the first place is an ordinary byte
        if at >= len(pattern):
            raise ValueError("can never match: a bracket is not closed; write `\\[` for a literal bracket")
        more, before, at = _in_bracket(pattern, at, before)
        taken |= more
    taken = (set(_ALL) - taken if negated else taken) - {_SLASH}
    if not taken:
        raise ValueError(f"can never match: {_shown(pattern[start : at + 1])} matches no character")
    return frozenset(taken), at + 1


def _in_bracket(pattern: bytes, at: int, before: int) -> tuple[set[int], int, int]:
    """Parse a byte, a range or a class. Returns what it takes, the byte that a range may begin with (-1: none), and
    where it ends. `before`: the byte that a range may begin with here.
    """
    if pattern[at : at + 2] == b"[:":
        close = pattern.find(b"]", at + 2)
        if close > at + 2 and pattern[close - 1] == ord(":"):
            return _class(pattern[at + 2 : close - 1]), -1, close + 1
    if pattern[at] == ord("-") and before >= 0 and pattern[at + 1 : at + 2] not in (b"", b"]"):
        at += 1 + (pattern[at + 1] == ord("\\"))
        if at < len(pattern) and pattern[at] < before:
            raise ValueError(f"has a range that goes backwards: {chr(before)}-{chr(pattern[at])}")
        return set(range(before, pattern[at] + 1 if at < len(pattern) else before)), -1, at + 1
    at += pattern[at] == ord("\\")
    return ({pattern[at]}, pattern[at], at + 1) if at < len(pattern) else (set(), -1, at)


def _class(name: bytes) -> set[int]:
    ranges = _CLASSES.get(name)
    if ranges is None:
        known = ", ".join(sorted(f"[:{known.decode()}:]" for known in _CLASSES))
        raise ValueError(f"can never match: there is no class [:{_shown(name)}:], only {known}")
    taken: set[int] = set()
    at = 0
    while at < len(ranges):
        if ranges[at + 1 : at + 2] == b"-" and at + 2 < len(ranges):
            taken |= set(range(ranges[at], ranges[at + 2] + 1))
            at += 3
        else:
            taken.add(ranges[at])
            at += 1
    return taken


def _shown(part: bytes) -> str:
    return part.decode("utf-8", "replace")
