"""What is read before a run is taken back: what is live now, the Versions that were live before, who deployed since."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import partial

from orchestrator.errors import CloudError, Code
from orchestrator.model import LATEST, FunctionSpec, Place, Settings, Version, VersionCopy
from orchestrator.model.live_state import LiveState
from orchestrator.planning.back.rollback import Former
from orchestrator.planning.back.touched import Touched
from orchestrator.planning.live import read_live
from orchestrator.ports import Reading


async def read_touched(reading: Reading, touched: Iterable[Touched]) -> LiveState:
    """Read what is live of the Functions that a run has touched. Raises `CloudError`."""
    return await read_live(reading, [spec_of(one) for one in touched], fresh=True)


async def read_former(
    reading: Reading, touched: Iterable[Touched], live: LiveState, *, lossy: Container[str] = ()
) -> Former:
    """Read each Version that was live before, by itself, since a listing keeps old ones in part; and who made what took
    `$latest` since. A Version that is gone is not among them. Raises `CloudError`.
    """
    versions: dict[str, Version] = {}
    authors: dict[str, str] = {}
    for one in touched:
        latest = live.latest(one.function_id)
        if latest is None or not one.made:
            continue
        if latest.id in one.made and one.base_version_id:
            try:
                found = await reading.read(partial(reading.functions.get_version, one.base_version_id))
            except CloudError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
            else:
                versions[found.id] = found
        elif latest.id not in one.made:
            for operation in await reading.read(partial(reading.functions.list_operations, one.function_id)):
                if operation.makes_version and operation.version_id == latest.id:
                    authors[latest.id] = operation.created_by
    return Former(versions, authors, lossy)


def spec_of(touched: Touched) -> FunctionSpec:
    """Say which Function was touched, and nothing that is wanted of it."""
    nothing, place, known = Settings("", "", 0), Place("", 0), touched.function_id or None
    return FunctionSpec(touched.key, touched.name, touched.folder_id, nothing, VersionCopy(LATEST), place, id=known)
