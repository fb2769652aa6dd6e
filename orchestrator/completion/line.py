"""Parses a bash command line into words, and quotes a completion of the last word.

Bash also splits words at `:` and `=` (COMP_WORDBREAKS), and replaces only the last part with a completion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLANK = " \t\n"
_STAY = "$@"  # readline's `rl_special_prefixes`: they start a part and belong to it
_PLAIN = re.compile(r"[^\w./:=@,+%^-]")  # all other characters may be special to the shell
_IN_DOUBLE = re.compile(r'["$`\\]')


@dataclass(frozen=True, slots=True)
class TypedLine:
    """The words of a line, without quotes. The last one is incomplete, "" after a space. `kept`: how many of its
    characters are not replaced. `quote`: the open quote, "" for none.
    """

    words: tuple[str, ...]
    kept: int = 0
    quote: str = ""

    def written(self, word: str) -> str:
        """Return the text that replaces the last word, or the part of it that is replaced."""
        rest = word[self.kept :]
        if self.quote == "'":
            return rest.replace("'", "'\\''")
        return (_IN_DOUBLE if self.quote else _PLAIN).sub(lambda match: f"\\{match[0]}", rest)


def split_line(text: str, breaks: str) -> TypedLine:
    r"""Split a line as bash does. `breaks`: its COMP_WORDBREAKS.

    | typed              | last word     | replaced part          |
    | ---                | ---           | ---                    |
    | `deploy au`        | au            | au                     |
    | `deploy label:te`  | label:te      | te                     |
    | `deploy "label:te` | label:te      | label:te               |
    | `--env=pr`         | --env=pr      | pr                     |
    | `api@fi`           | api@fi        | @fi                    |
    | `a\ b`             | a b           | a b                    |
    """
    words, word, kept, quote, escaped, begun = list[str](), "", 0, "", False, False
    for character in text:
        if escaped:
            within = quote == '"' and character not in '$`"\\\n'
            word, escaped = word + ("\\" if within else "") + character, False
        elif character == "\\" and quote != "'":
            escaped, begun = True, True
        elif quote:
            word, quote = (word, "") if character == quote else (word + character, quote)
        elif character in "\"'":
            quote, kept, begun = character, len(word), True
        elif character in _BLANK:
            if begun:
                words.append(word)
            word, kept, begun = "", 0, False
        else:
            if character in breaks:
                kept = len(word) + (character not in _STAY)
            word, begun = word + character, True
    return TypedLine((*words, word), kept, quote)
