"""Finding the requested function: in the manifest, else among the live ones, else in former runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.app.session.why.known import Known
from orchestrator.app.session.why.live_side import find_live
from orchestrator.errors import CloudError, UsageError
from orchestrator.journal.functions.function_runs import FunctionNames
from orchestrator.manifest.environments.near import near_elsewhere
from orchestrator.model import FunctionSpec, Manifest


def declared(asked: str, manifest: Manifest) -> FunctionSpec | None:
    """Return a function of the manifest by its key, else by its name or ID. Raises `UsageError` where several match."""
    if asked in manifest.functions:
        return manifest.functions[asked]
    found = [spec for spec in manifest.functions.values() if asked in (spec.name, spec.id)]
    if len(found) > 1:
        keys = ", ".join(spec.key for spec in found)
        raise UsageError(f'"{asked}" is the name of several functions: {keys}', advice="choose one by its key")
    return found[0] if found else None


def also_called(asked: str, manifest: Manifest) -> str:
    """Return which other functions have a name equal to this key, "" for none: functions in other folders may."""
    others = [
        f"{spec.key} (folder {spec.folder_id})"
        for spec in manifest.functions.values()
        if asked in manifest.functions and spec.name == asked != spec.key
    ]
    return f"{asked} is also the name of {', '.join(others)}: choose it by its key" if others else ""


def names_of_spec(spec: FunctionSpec) -> FunctionNames:
    """Return the names of a declared function."""
    return FunctionNames(spec.key, spec.name, spec.folder_id, spec.id or "")


async def identify(asked: str, known: Known) -> None:
    """Find the requested function where the manifest has none of that key, name or ID. Raises `UsageError`.

    | what has it so             | then the manifest's function, if one is called so in that folder       |
    | ---                        | ---                                                                    |
    | a live Function            | by its name: it was named by the id that only the cloud knows          |
    | a run of the journal       | by the name that it had then                                           |
    | nothing                    | is an error, with the names that are near                              |
    """
    if known.spec is not None:
        return
    near: tuple[str, ...] = ()
    if known.session is not None:
        try:
            found = await find_live(known.session, asked, _folders(known.request.manifest))
            near, known.function = found.near, found.function
        except CloudError as error:
            known.lacks("the live state", error)
    if known.function is not None:
        one = known.function
        known.names = FunctionNames("", one.name, one.folder_id, one.id)
    else:
        known.names = _in_journal(asked, known, near)
    spec = _called(known.names, known.request.manifest)
    if spec is not None:
        known.spec, known.names = spec, replace(known.names, key=spec.key)
        return
    if known.function is None and known.session is not None and not known.unknown:
        known.absent.append("not in any folder of the manifest")
    known.absent.append(f"{known.request.manifest.path.name} does not declare it: `deploy` does not change it")


def _in_journal(asked: str, known: Known, near: Iterable[str]) -> FunctionNames:
    """Return a function of a former run. Raises `UsageError` where there is none."""
    found = known.journal.find(lambda one: asked in (one.key, one.name, one.function_id), asked)
    if found is not None:
        return found
    manifest = known.request.manifest
    names = [name for spec in manifest.functions.values() for name in (spec.key, spec.name)]
    near_here = dict.fromkeys([*names, *near, *known.journal.known()])
    there = near_elsewhere(asked, near_here, manifest.elsewhere)
    hint = f"; {there}" if there else ""
    blind = f"; {known.unknown[0]}" if known.unknown else ""
    raise UsageError(
        f'unknown function "{asked}"{hint}',
        advice=f"it is not a key, name or ID in {manifest.path.name}, in the cloud, or in a run{blind}",
    )


def _called(names: FunctionNames, manifest: Manifest) -> FunctionSpec | None:
    """Return the function of the manifest with this name in this folder."""
    specs = manifest.functions.values()
    return next((one for one in specs if (one.folder_id, one.name) == (names.folder_id, names.name)), None)


def _folders(manifest: Manifest) -> list[str]:
    declared = [spec.folder_id for spec in manifest.functions.values() if spec.folder_id]
    return list(dict.fromkeys([*declared, *([manifest.cloud.folder_id] if manifest.cloud.folder_id else [])]))
