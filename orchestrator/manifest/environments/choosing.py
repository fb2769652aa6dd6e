"""Which environment of a manifest counts: the one that was named, otherwise the default one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.manifest.findings import Findings, did_you_mean
from orchestrator.manifest.toml_files import SourceFile
from orchestrator.manifest.variables.given_by import as_given, without


@dataclass(frozen=True, slots=True)
class ManifestChoice:
    """What is chosen when a manifest is read. `environment`: its name, "" where none was named. `variables`: of
    `--var`, which override all others. `taken_over`: variables of a former run that were not typed now; it is not a
    mistake if nothing uses them. `exactly`: the run continues another one; if none was named, not even the default
    environment counts.
    """

    environment: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    taken_over: frozenset[str] = frozenset()
    exactly: bool = False


def folder_advice(chosen: Sequence[str], declared: Sequence[str]) -> str:
    """Return how to set a folder for functions without one. `chosen`: the environments in which they have none.

    | declared | chosen     | returns                                                          |
    | ---      | ---        | ---                                                              |
    | none     |            | set folder_id in [cloud], or YC_FOLDER_ID                        |
    | some     | none       | choose one: --env dev, --env prod                                |
    | some     | dev, prod  | set cloud.folder_id in [environments.dev], [environments.prod]   |
    """
    if chosen:
        return f"set cloud.folder_id in {', '.join(f'[environments.{name}]' for name in chosen)}"
    if declared:
        return f"choose an environment: {', '.join(f'--env {name}' for name in declared)}"
    return "set YC_FOLDER_ID, or folder_id in [cloud]"


EVERY = "all"  # instead of a name: every environment, for `plan`; not allowed as a name

NO_CHOICE = ManifestChoice()


def environments_of(main: SourceFile) -> Mapping[str, Mapping[str, Any]]:
    """Return the environments that a file declares, as written. Values that are not tables are reported elsewhere."""
    declared = main.raw.get("environments")
    tables = declared.items() if isinstance(declared, dict) else ()
    return {name: table if isinstance(table, dict) else {} for name, table in tables}


def chosen_environment(main: SourceFile, choice: ManifestChoice, findings: Findings) -> str:
    """Return the name of the environment that counts, "" where there is none. Raises `UsageError`.

    | declared                  | named    | counts                |
    | ---                       | ---      | ---                   |
    | none                      |          | none                  |
    | none                      | any      | a usage error         |
    | some                      | of these | that one              |
    | some                      | another  | a usage error         |
    | some, one is the default  |          | the default           |
    | some, none is the default |          | none                  |
    """
    declared = environments_of(main)
    default, *more = [name for name, table in declared.items() if table.get("default") is True] or [""]
    for name in more:
        place = f"{main.shown}:{main.line(('environments', default, 'default'))}"
        rule = f"[environments.{default}] is already the default ({place}); only one can be the default"
        findings.mistake(main, ("environments", name, "default"), rule)
    named = choice.environment
    if named and named not in declared and choice.exactly:
        raise UsageError(
            f"this continues in the environment {named}, which {main.shown} no longer has"
            f"{did_you_mean(named, declared)}",
            advice=f"declare [environments.{named}] there again, or give up what is not done:"
            " `orchestrator resume RUN --give-up`",
        )
    if named and not declared:
        raise UsageError(
            f"{as_given('--env', named)}: {main.shown} declares no environments",
            advice=f"{'' if named == EVERY else f'declare [environments.{named}] there, or '}{without('--env', named)}",
        )
    if named and named not in declared:
        raise UsageError(
            f'{main.shown} has no environment "{named}"{did_you_mean(named, declared)}',
            advice=f"it has {', '.join(declared)}{f'; only `plan` accepts {EVERY}' if named == EVERY else ''}",
        )
    return named or ("" if choice.exactly else default)
