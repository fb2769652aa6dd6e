r"""Text without control over a terminal or a CI: whatever they would obey is written as its escape: `\x1b`, `\u202e`,
`\n`.

`Safe` is a text that passed a `Redactor` and this module. The streams accept nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NewType

import orjson

Safe = NewType("Safe", str)

_C0 = r"\x00-\x1f"
# DEL and C1, characters that change text direction, line and paragraph separators, invisible characters, and bytes of
# file names that are not text (lone surrogates). Not the joiners U+200C and U+200D: words of some scripts need them.
_OTHERS = (
    r"\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f\ud800-\udfff"
)
_ON_A_LINE = re.compile(rf"[{_C0}{_OTHERS}]")
_ON_LINES = re.compile(rf"(?!\n)[{_C0}{_OTHERS}]")
_IN_JSON = re.compile(rf"[{_OTHERS}]")  # JSON escapes C0 anyway
_MARKUP = re.compile("[<>&]")
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Commands to a CI: `::error::` at the beginning of a line, also after spaces; `##[group]`, `##vso[` anywhere in it.
_AT_THE_BEGINNING = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_ANYWHERE = re.compile(r"#(?=#[\w.-]*\[)")


def one_line(text: str) -> str:
    """Return a text on one line. Unreadable characters are written as their escapes."""
    if text.isascii() and text.isprintable():  # nearly all texts
        return text
    return _ON_A_LINE.sub(_escaped, text)


def several_lines(text: str) -> str:
    """Do the same for a text with lines, such as a build's output. Colours are removed, and tabs become spaces."""
    return _ON_LINES.sub(_escaped, _COLOUR.sub("", text).replace("\r\n", "\n").expandtabs(4))


def uncommanding(text: str) -> str:
    """Break what a CI would take for a command, in a text of one or several lines."""
    text = _ANYWHERE.sub(r"\\x23", text) if "##" in text else text
    return _AT_THE_BEGINNING.sub(r"\1\\x3a", text) if "::" in text else text


def to_json(value: Any, *, indent: bool = False) -> Safe:
    """Return a value as JSON, on one line or indented. It parses back to an equal value, and no character in it is a
    command.

    Bytes of file names that are not text cannot be in JSON: they are written as their escapes.
    """
    option = orjson.OPT_INDENT_2 if indent else 0
    try:
        text = orjson.dumps(value, option=option).decode()
    except TypeError:
        text = orjson.dumps(encodable(value), option=option).decode()
    if not text.isascii() or "\x7f" in text:  # otherwise there are none; every log line comes through here
        text = _IN_JSON.sub(_json_escaped, text)
    return Safe(_ANYWHERE.sub(r"\\u0023", text) if "##" in text else text)


def in_element(json: Safe) -> Safe:
    """Return JSON for an element of a page: nothing in it begins or ends an element. It parses back to an equal
    value.
    """
    return Safe(_MARKUP.sub(lambda match: f"\\u{ord(match[0]):04x}", json))


def encodable(value: Any) -> Any:
    """Return JSON values whose texts can all be encoded: bytes that are not text become their escapes."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return {encodable(key): encodable(item) for key, item in value.items()}
    return [encodable(item) for item in value] if isinstance(value, list | tuple) else value


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED:
        return _NAMED[character]
    if character.isascii():
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()


def _json_escaped(match: re.Match[str]) -> str:
    pairs = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pairs[at]:02x}{pairs[at + 1]:02x}" for at in range(0, len(pairs), 2))
