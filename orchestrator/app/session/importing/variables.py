"""Values that look like secrets are not written: `${NAME}` takes their place, and the user sets NAME."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.manifest.writing.toml_text import Variable, literal
from orchestrator.redaction.patterns import is_secret_variable

Path = tuple[str | int, ...]

# Variables with a meaning for this program or the machine: never used for a value of a function.
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
    def desired(self) -> str:
        """The preferred name of its variable."""
        name = str(self.path[-1]) if self.path[0] == "environment" else _word(*map(str, self.path))
        return _word(self.function, name) if _TAKEN.fullmatch(name) else name


def secret_values(
    function: str, table: Mapping[str, Any], looks_secret: Callable[[str], bool]
) -> Iterator[SecretValue]:
    """Yield them from a function's keys: variables by their names, and any text by its look."""
    for path, text in _texts(table, ()):
        named = path[0] == "environment" and is_secret_variable(str(path[-1])) and bool(text)
        if named or looks_secret(text):
            yield SecretValue(function, path, text)


def named_variables(found: list[SecretValue]) -> dict[SecretValue, str]:
    """Return a variable for each value. Equal values under one name share a variable. Different values get names by
    function: the common beginning of the functions' names, else the first function. The result does not depend on the
    order.
    """
    holders: dict[str, dict[str, list[str]]] = {}
    for one in sorted(found, key=lambda one: (one.function, str(one.path))):
        holders.setdefault(one.desired, {}).setdefault(one.value, []).append(one.function)
    named: dict[tuple[str, str], str] = {}
    taken = {desired for desired, values in holders.items() if len(values) == 1}
    for desired, values in sorted(holders.items()):
        alike = Counter(_beginning(functions) for functions in values.values())
        for value, functions in values.items():
            name = desired
            if len(values) > 1:
                begin = _beginning(functions)
                name = _word(begin if begin and alike[begin] == 1 else functions[0], desired)
                free, number = name, 2
                while name in taken:
                    name, number = f"{free}_{number}", number + 1
            taken.add(name)
            named[desired, value] = name
    return {one: named[one.desired, one.value] for one in found}


def _beginning(functions: list[str]) -> str:
    """Return the first word of the names of most of these functions, "" where there is none."""
    words = Counter(function.rpartition("/")[2].partition("-")[0] for function in functions)
    word, count = words.most_common(1)[0]
    return word if count > 1 and count * 2 > len(functions) else ""


def with_variables(table: Mapping[str, Any], names: Mapping[Path, str]) -> dict[str, Any]:
    """Write the variables at the paths of their keys; every other text is escaped."""
    made = _laid_in(dict(table), names, ())
    assert isinstance(made, dict)  # noqa: S101 - a table stays a table
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
