"""Whether the folders of a plan are in the declared cloud: slots and quotas are counted for that one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from orchestrator.app.session.options import SANDBOX
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, ManifestError, Mistake, OrchestratorError, UsageError
from orchestrator.manifest.toml_files import place_of
from orchestrator.model import CloudAddress, Manifest
from orchestrator.report.plain_text import named
from orchestrator.resilience.groups import each

_AT_ONCE = 8
_NAMED = 5


async def check_own_cloud(session: Session, folders: Iterable[str]) -> None:
    """Compare `cloud_id`, if declared, with the cloud of each folder in resource-manager, and warn of folders that it
    does not show. Skipped for the built-in sandbox.

    Raises `ManifestError`, or `UsageError` where a variable sets it.
    """
    address, world = session.request.manifest.cloud, session.world
    if address.cloud_id is None or session.endpoint == SANDBOX:
        return
    clouds: dict[str, str | None] = {}

    async def ask(folder_id: str) -> None:
        try:
            clouds[folder_id] = await world.read(partial(world.directory.cloud_of, folder_id))
        except CloudError:  # no reason to stop a run: the declared value is used
            clouds[folder_id] = None

    await each(sorted(set(folders)), ask, at_once=_AT_ONCE)
    unknown = sorted(folder_id for folder_id, cloud_id in clouds.items() if cloud_id is None)
    elsewhere = {one: cloud_id for one, cloud_id in clouds.items() if cloud_id not in (None, address.cloud_id)}
    if elsewhere:
        raise _contradicted(session.request.manifest, address, elsewhere)
    if unknown:
        session.messages.mention(
            f"{_key(address)} = {address.cloud_id} could not be checked: {_folders(unknown)} in an unknown cloud"
            " (give the account the role resource-manager.viewer)"
        )


def _contradicted(manifest: Manifest, address: CloudAddress, elsewhere: Mapping[str, str | None]) -> OrchestratorError:
    clouds = sorted({str(cloud_id) for cloud_id in elsewhere.values()})
    are = f"{_folders(sorted(elsewhere))} in cloud {clouds[0]}"
    if len(clouds) > 1:
        are = f"{_folders(sorted(elsewhere))} in clouds {named(clouds, _NAMED)}"
    if address.cloud_id_from:
        return UsageError(
            f"{address.cloud_id_from} is {address.cloud_id}, and {are}",
            advice=f"correct {address.cloud_id_from}, or unset it to look up the cloud of each folder",
        )
    place = place_of(manifest.path, ("cloud", "cloud_id"), manifest.environment)
    rule = f"it is {address.cloud_id}, and {are}; correct it, or remove it to look up the cloud of each folder"
    return ManifestError((Mistake(place.file, place.line, _key(address), rule),))


def _key(address: CloudAddress) -> str:
    return address.cloud_id_from or "cloud.cloud_id"


def _folders(folders: Collection[str]) -> str:
    return f"folder {named(folders, _NAMED)} is" if len(folders) == 1 else f"folders {named(folders, _NAMED)} are"
