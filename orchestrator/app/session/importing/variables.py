"""Values that look like secrets, out of what is written: `${NAME}` stands in their place, and somebody sets NAME."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.manifest.writing.toml_text import Variable, literal
from orchestrator.redaction.patterns import is_secret_variable

Path = tuple[str | int, ...]

# Variables that this program, or the machine, gives a meaning of its own: a function's are never called so.
_TAKEN = re.compile(
    r"(YC|AWS|ORCHESTRATOR|LC|SSH|CI)_\w*|PATH|HOME|USER|SHELL|PWD|OLDPWD|LANG|TERM|TZ|CI|\w+_PROXY", re.IGNORECASE
)
_NO_WORD = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A value that is not written. `path`: of its key in the function's table."""

    function: str
    path: Path
    value: str

    @property
    def wanted(self) -> str:
        """What its variable would best be called."""
        name = str(self.path[-1]) if self.path[0] == "environment" else _word(*map(str, self.path))
        return _word(self.function, name) if _TAKEN.fullmatch(name) else name


def secret_values(
    function: str, table: Mapping[str, Any], looks_secret: Callable[[str], bool]
) -> Iterator[SecretValue]:
    """Find them in a function's keys: variables by their names, and any text by its look."""
    for path, text in _texts(table, ()):
        named = path[0] == "environment" and is_secret_variable(str(path[-1])) and bool(text)
        if named or looks_secret(text):
            yield SecretValue(function, path, text)


def named_variables(found: list[SecretValue]) -> dict[SecretValue, str]:
    """Give each value its variable. The same value under the same name has one; of several values the name says whose:
    how the names of their functions begin, else the first function. The same values get the same names, whatever order
    they come in.
    """
    holders: dict[str, dict[str, list[str]]] = {}
    for one in sorted(found, key=lambda one: (one.function, str(one.path))):
        holders.setdefault(one.wanted, {}).setdefault(one.value, []).append(one.function)
    named: dict[tuple[str, str], str] = {}
    taken = {wanted for wanted, values in holders.items() if len(values) == 1}
    for wanted, values in sorted(holders.items()):
        alike = Counter(_beginning(functions) for functions in values.values())
        for value, functions in values.items():
            name = wanted
            if len(values) > 1:
                begin = _beginning(functions)
                name = _word(begin if begin and alike[begin] == 1 else functions[0], wanted)
                free, number = name, 2
                while name in taken:
                    name, number = f"{free}_{number}", number + 1
            taken.add(name)
            named[wanted, value] = name
    return {one: named[one.wanted, one.value] for one in found}


def _beginning(functions: list[str]) -> str:
    """Give the word that the names of most of these functions begin with, "" where there is none."""
    words = Counter(function.rpartition("/")[2].partition("-")[0] for function in functions)
    word, count = words.most_common(1)[0]
    return word if count > 1 and count * 2 > len(functions) else ""


def with_variables(table: Mapping[str, Any], names: Mapping[Path, str]) -> dict[str, Any]:
    """Write the variables in, by the paths of their keys; every other text is escaped."""
    made = _laid_in(dict(table), names, ())
    assert isinstance(made, dict)  # noqa: S101 - a table stays one
    return made


def _laid_in(value: Any, names: Mapping[Path, str], path: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _laid_in(item, names, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_laid_in(item, names, (*path, index)) for index, item in enumerate(value)]
    return Variable(f"${{{names[path]}}}") if path in names else literal(value)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _word(*parts: str) -> str:
    name = "_".join(_NO_WORD.sub("_", part).strip("_") for part in parts).upper()
    return name if name[:1].isalpha() else f"F_{name}"
