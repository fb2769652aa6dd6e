"""Which function is meant: one of the manifest, else a live one, else one that some run was about."""

from __future__ import annotations

from orchestrator.app.session.why.known import Known
from orchestrator.app.session.why.live_side import find_live
from orchestrator.errors import CloudError, UsageError
from orchestrator.journal.function_runs import FunctionNames
from orchestrator.manifest.findings import did_you_mean
from orchestrator.model import FunctionSpec, Manifest


def declared(asked: str, manifest: Manifest) -> FunctionSpec | None:
    """Find a function of the manifest by its key, else by its name or id. Raises `UsageError` where several fit."""
    if asked in manifest.functions:
        return manifest.functions[asked]
    found = [spec for spec in manifest.functions.values() if asked in (spec.name, spec.id)]
    if len(found) > 1:
        keys = ", ".join(spec.key for spec in found)
        raise UsageError(f'"{asked}" is the name of several functions: {keys}', advice="name one by its key")
    return found[0] if found else None


def names_of_spec(spec: FunctionSpec) -> FunctionNames:
    """Give what a declared function is known by."""
    return FunctionNames(spec.key, spec.name, spec.folder_id, spec.id or "")


async def identify(asked: str, known: Known) -> None:
    """Find out which function is meant, where the manifest does not have it. Raises `UsageError`."""
    if known.spec is not None:
        return

    def is_meant(one: FunctionNames) -> bool:
        return asked in (one.key, one.name, one.function_id)

    near: list[str] = []
    if known.session is not None:
        try:
            found = await find_live(known.session, asked, _folders(known.request.manifest))
            near, known.function = list(found.near), found.function
        except CloudError as error:
            known.lacks("what is live", error)
    if known.function is not None:
        one = known.function
        known.names = FunctionNames("", one.name, one.folder_id, one.id)
        known.absent.append(f"{known.request.manifest.path.name} does not declare it: no `deploy` is about it")
        return
    found_here = known.journal.find(is_meant, asked)
    if found_here is None:
        names = [name for spec in known.request.manifest.functions.values() for name in (spec.key, spec.name)]
        hint = did_you_mean(asked, dict.fromkeys([*names, *near, *known.journal.known()]))
        blind = f"; {known.unknown[0]}" if known.unknown else ""
        raise UsageError(
            f'nobody knows a function "{asked}"{hint}',
            advice=f"it is no key, name or id in {known.request.manifest.path.name}, live, or of a run{blind}",
        )
    known.names = found_here
    known.absent.append(f"{known.request.manifest.path.name} does not declare it: no `deploy` is about it")
    if known.session is not None and not known.unknown:
        known.absent.append("it is not live in any folder of the manifest")


def _folders(manifest: Manifest) -> list[str]:
    declared = [spec.folder_id for spec in manifest.functions.values() if spec.folder_id]
    return list(dict.fromkeys([*declared, *([manifest.cloud.folder_id] if manifest.cloud.folder_id else [])]))
