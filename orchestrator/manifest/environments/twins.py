"""Functions of two environments that would be the same live Function: each deployment would undo the other one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.manifest.environments.choosing import ManifestChoice, environments_of
from orchestrator.manifest.environments.overlay import Overlay
from orchestrator.manifest.file_tables import CloudTable
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.includes.files import CheckedFile, Files
from orchestrator.manifest.includes.scope import Scope
from orchestrator.manifest.merge import Draft, Folder
from orchestrator.manifest.toml_files import SourceFile
from orchestrator.model.of_others import ANY

_TELLING = ("id", "name", "folder_id")
Identity = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Names:
    """`keys`: what identifies the functions of an environment, except disabled ones, with their keys; `declared`: of
    all functions, with `ANY` where the files do not determine it.
    """

    keys: Mapping[Identity, str]
    declared: frozenset[Identity]


class Identities:
    """What identifies the functions of an environment in the cloud, with their keys. It is computed once for each
    environment of the same files.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, tuple[SourceFile, ...]], _Names] = {}

    def of(self, files: Sequence[CheckedFile], environment: str, names: tuple[str, ...]) -> _Names:
        """Return the functions of an environment. `files`: the main file first; `names`: all environments."""
        known = (environment, tuple(one.file for one in files))
        found = self._found.get(known)
        if found is None:
            drafts = [*_drafts(files, environment, names)]
            keys = {one: draft.key for draft in drafts if (one := _identity(draft, environment)) is not None}
            every = (_declared(draft, environment) for draft in drafts)
            found = self._found[known] = _Names(keys, frozenset(one for one in every if one is not None))
        return found


def report_twins(
    files: Sequence[CheckedFile],
    environment: str,
    drafts: Mapping[str, Draft],
    findings: Findings,
    identities: Identities,
) -> frozenset[Identity]:
    """Report functions of the chosen environment that are the same live Function as one of another environment.

    For other environments only the files are known: variables of the process may differ where those are deployed. So
    functions whose name or folder depends on them are not reported. `files`: the main file first; `drafts`: the
    functions of the chosen environment, with the process's variables. Returns what identifies the functions of other
    environments in the cloud, as `Manifest.of_others`. If a variable decides which files there are, all functions may
    be theirs, which is a warning.
    """
    main = files[0].file
    names = tuple(environments_of(main))
    if len(names) < 2 or not environment:
        return frozenset()
    open_ones = [one.file for one in files if "${" in str(one.file.raw.get("include"))]
    if open_ones:
        rule = (
            "names files by a variable, so the functions of other environments are not known: jobs and prune only touch"
            " live functions outside the manifest that are named"
        )
        findings.warning(open_ones[0], ("include",), rule)
        return frozenset({(ANY, ANY)})
    of_others: set[Identity] = set()
    own = identities.of(files, environment, names).keys
    as_set = {identity: key for key, draft in drafts.items() if (identity := _identity(draft, environment)) is not None}
    for other in names:
        if other == environment:
            continue
        first, second = sorted((environment, other), key=names.index)
        rule = (
            f"has the same live functions as {first}: set its own folder (cloud.folder_id), change their names, or"
            " limit them to one of the environments (only)"
        )
        others = identities.of(files, other, names)
        of_others |= others.declared
        for identity in others.keys:
            if identity in own:
                findings.mistake(main, ("environments", second), rule, function=own[identity])
            elif identity in as_set:
                by_process = (
                    f"has the same live functions as {other}, through variables of the process (YC_FOLDER_ID, or"
                    " another): set their folder here (cloud.folder_id), or change the variable"
                )
                findings.mistake(main, ("environments", environment), by_process, function=as_set[identity])
    return frozenset(of_others - own.keys() - as_set.keys())


def _drafts(files: Sequence[CheckedFile], environment: str, names: tuple[str, ...]) -> Iterator[Draft]:
    """Yield the functions of an environment, as far as the files determine them."""
    findings = Findings()  # not reported here, but where that environment is chosen
    again = Files({}, ManifestChoice(environment), findings, only_identity=True)
    checked: dict[CheckedFile, CheckedFile] = {}
    scopes: dict[CheckedFile, Scope] = {}
    overlay: Overlay | None = None
    for one in files:
        outer = one.outer
        found = again.check_main(one.file) if outer is None else again.check_included(one.file, checked[outer])
        overlay = overlay or Overlay(one.file, found.check, environment, names)
        checked[one] = found
        above = scopes[outer] if outer is not None else None
        scope = scopes[one] = Scope(one.file, found.check, _folder(found, overlay, above), overlay, above)
        for key, layers in again.layers(found).items():
            yield scope.draft(key, layers, findings)


def _folder(one: CheckedFile, overlay: Overlay, above: Scope | None) -> Folder:
    own, broken = one.check.tables.folder_id, one.check.is_broken(("folder_id",))
    if above is not None:
        return Folder(own, one.file, ("folder_id",), broken) if own is not None or broken else above.folder
    cloud = overlay.section(CloudTable)
    folder_id = cloud.table.folder_id if cloud.table is not None else None
    chosen = folder_id if "folder_id" in cloud.own else own or folder_id
    return Folder(chosen, one.file, ("cloud",), broken or cloud.is_broken("folder_id"))


def _identity(draft: Draft, environment: str) -> Identity | None:
    """Return what identifies a function; None where it does not exist there, or where that is not known."""
    if environment not in draft.values.get("only", (environment,)) or draft.values.get("enabled") is False:
        return None
    if draft.folder.is_broken or any(draft.is_broken((key,)) for key in _TELLING):
        return None
    if "id" in draft.values:
        return ("id", draft.values["id"])
    return (draft.folder_id, draft.values.get("name", draft.key)) if draft.folder_id is not None else None


def _declared(draft: Draft, environment: str) -> Identity | None:
    """Return the identity that an environment declares, disabled or not; None where it does not exist there."""
    if environment not in draft.values.get("only", (environment,)):
        return None
    if "id" in draft.values and not draft.is_broken(("id",)):
        return ("id", draft.values["id"])
    folder_known = not (draft.folder.is_broken or draft.is_broken(("folder_id",)))
    folder_id = draft.folder_id if folder_known else None
    name = ANY if draft.is_broken(("name",)) else draft.values.get("name", draft.key)
    return (folder_id or ANY, name)
