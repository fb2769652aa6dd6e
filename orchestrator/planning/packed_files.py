"""How a package differs from the live one, if the files of that are known. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model import FileChanges, Function, FunctionSpec, Tree
from orchestrator.model.live_state import LiveState
from orchestrator.model.packed import file_changes
from orchestrator.planning.meant import find
from orchestrator.planning.planner import FilesOf
from orchestrator.version.history import EMPTY, histories
from orchestrator.version.stamp import code_digest, former_code_digest, read_stamp


@dataclass(frozen=True, slots=True)
class PackageDifference:
    """`version_id`: of the live Version, "" for none. `files` None: `why` says why they are not known."""

    version_id: str = ""
    files: FileChanges | None = None
    why: str = ""


def compared(spec: FunctionSpec, tree: Tree, live: LiveState, packed: FilesOf) -> PackageDifference:
    """Compare what would be packed with what is live. `packed`: see `planner.build`.

    | live is                            | files             |
    | ---                                | ---               |
    | nothing                            | all are new       |
    | a package of the same files        | none differ       |
    | another package, of a known run    | those that differ |
    | another package, of an unknown run | not known         |
    | made or edited by hand             | not known         |
    """
    function = find(spec, live)
    latest = live.latest(function.id) if isinstance(function, Function) else None
    if latest is None:
        return PackageDifference(files=FileChanges(added=tree.paths))
    stamp = read_stamp(latest.description)
    doubt = histories(live).get(latest.function_id, EMPTY).doubt(latest)
    if stamp is None or (doubt is not None and not doubt.mine):
        return PackageDifference(latest.id, why=f"the code of version {latest.id} was made, or edited, by other means")
    if stamp.code in (code_digest(spec.code, tree), former_code_digest(tree)):
        return PackageDifference(latest.id, FileChanges())
    before = packed(stamp.code)
    if before is None:
        why = f"no run of this state folder has packed the code of version {latest.id} ({stamp.code[:4]}…)"
        return PackageDifference(latest.id, why=why)
    return PackageDifference(latest.id, file_changes(before, tree.files))
