"""What `${NAME}` means in one file of a manifest, and which declarations are unused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.errors import UsageError
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.findings import did_you_mean
from orchestrator.manifest.variables.interpolation import misused, put_in

ENVIRONMENT = "ORCHESTRATOR_ENV"  # its value is the chosen environment
RESERVED = f"is reserved for the environment chosen by --env or {ENVIRONMENT}; choose another name"

Declared = Mapping[str, str]


class Variables:
    """The variables of one file. They are looked up in this order:

    | where                                           | its value may use                        |
    | ---                                             | ---                                      |
    | `--var`                                         | nothing: it is literal                   |
    | `variables` of the chosen environment           | `--var`, the process, all `[variables]`  |
    | the environment of the process                  | nothing: it is literal                   |
    | `[variables]` of this file                      | `--var`, the process                     |
    | `[variables]` of the files that include it      | `--var`, the process                     |

    So a variable can never use itself. `ORCHESTRATOR_ENV` is always the chosen environment.
    """

    def __init__(self, choice: ManifestChoice, environ: Mapping[str, str], chosen: object = None) -> None:
        self._choice = choice
        self._environ = environ
        self._chosen = declared_in(chosen)
        self._tables: tuple[Declared, ...] = ()
        self._known: dict[str, tuple[str | None, str]] = {}

    def within(self, table: object) -> Variables:
        """Return the variables of a file with this [variables] that the file of these includes."""
        if not (declared := declared_in(table)):
            return self
        inner = Variables(self._choice, self._environ)
        inner._chosen, inner._tables = self._chosen, (declared, *self._tables)
        return inner

    def look(self, name: str) -> tuple[str | None, str]:
        """Return the value of a variable, None if it is not set; and why its declaration gives none, or ""."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._look(name)
        return found

    def _look(self, name: str) -> tuple[str | None, str]:
        if name == ENVIRONMENT:
            return self._choice.environment or None, ""
        if name in self._choice.variables:
            return self._choice.variables[name], ""
        if name in self._chosen:
            return self._expanded(name, self._chosen, self._tables)
        if name in self._environ:
            return self._environ[name], ""
        return next((self._expanded(name, table, ()) for table in self._tables if name in table), (None, ""))

    def _expanded(self, name: str, table: Declared, below: tuple[Declared, ...]) -> tuple[str | None, str]:
        """Return a declared value with its variables replaced."""
        if "${" not in table[name] or misused(table[name]):  # a misuse is reported at its place
            return table[name], ""
        lower = Variables(self._choice, self._environ)
        lower._tables = below
        wrong = list[str]()
        value = put_in(table[name], lower.look, wrong.append, lower.hint)
        return (None, f"the declared value of {name}: {wrong[0]}") if wrong else (value, "")

    def hint(self, name: str) -> str:
        """Return how to set a variable that is not set."""
        if name == ENVIRONMENT:
            return "choose an environment with --env"
        known = {*self._choice.variables, *self._chosen, *(one for table in self._tables for one in table)}
        near = did_you_mean(name, known)
        ways = f"in [variables], in the process's environment, or with --var {name}=…"
        return f"set it {ways}; for a literal `${{` write `$${{`{near}"


def declared_in(table: object) -> Declared:
    """Return a table of variables as written. Values that are not texts are reported elsewhere."""
    return {name: str(value) for name, value in table.items()} if isinstance(table, dict) else {}


def wrong_variables(table: Declared, used: frozenset[str]) -> Iterable[tuple[str, str]]:
    """Yield declared variables that are wrong: the name, and why. `used`: those that texts within reach use."""
    for name, value in table.items():
        if name == ENVIRONMENT:
            yield name, RESERVED
        elif wrong := misused(value):
            yield name, wrong
        elif name not in used:
            yield name, f"nothing uses `${{{name}}}`, so it has no effect{did_you_mean(name, used - table.keys())}"


def check_typed(typed: Iterable[str], used: Iterable[str]) -> None:
    """Check that each of these `--var` is used. Raises `UsageError`."""
    used = frozenset(used)
    for name in typed:
        if name not in used:
            raise UsageError(
                f"--var {name}: nothing in the manifest uses `${{{name}}}`{did_you_mean(name, used)}",
                advice="correct the name, or leave out the option",
            )
