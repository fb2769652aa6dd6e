r"""Our own commands to a CI. These are the only ones that get through, because `uncommanding` breaks those in external
text.

GitHub: `::name key=value::text` on a line. In values, `%`, CR, LF, `:` and `,` are escaped; in the text, the first
three (docs.github.com, "Workflow commands", and the escapes of the runner's toolkit). GitLab: a section begins and ends
with a marker that its log hides (docs.gitlab.com, "Expand and collapse job log sections"). Names have letters, digits,
`_`, `.` and `-`.
"""

from __future__ import annotations

import re

from orchestrator.redaction.safe import Safe

_IN_TEXT = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_VALUES = _IN_TEXT | {":": "%3A", ",": "%2C"}
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def github_command(name: str, text: str = "", **values: str | int) -> Safe:
    """Return a workflow command, always on one line. Values that are "" or 0 are omitted."""
    given = ",".join(f"{key}={_escaped(str(value), _IN_VALUES)}" for key, value in values.items() if value)
    return Safe(f"::{name}{f' {given}' if given else ''}::{_escaped(text, _IN_TEXT)}")


def gitlab_section_start(name: str, title: Safe, at_s: int, *, folded: bool) -> Safe:
    """Begin a section of the log. `at_s`: seconds since the epoch."""
    collapsed = "[collapsed=true]" if folded else ""
    return Safe(f"\x1b[0Ksection_start:{at_s}:{_name(name)}{collapsed}\r\x1b[0K{title}")


def gitlab_section_end(name: str, at_s: int) -> Safe:
    """End a section of the log."""
    return Safe(f"\x1b[0Ksection_end:{at_s}:{_name(name)}\r\x1b[0K")


def _name(name: str) -> str:
    return _NO_NAME.sub("_", name)


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
