"""Give every live function that deploy.toml does not declare at least so much memory; all else is copied."""

from orchestrator.job import JobError, Parameter, Standing, Wants
from orchestrator.manifest.units import size
from orchestrator.redeploy.inventory import copy_of, folders_of, inventory

PARAMETERS = {
    "at_least": Parameter('memory, such as "256MB"', required=True),
    "folders": Parameter("folders to look at; default: every folder of the manifest", default=()),
}


def folders(manifest, given):
    return folders_of(manifest, given)


def wants(manifest, have, given):
    try:
        at_least = size(given["at_least"])
    except ValueError as error:
        raise JobError(f"`at_least` {error}") from error
    specs, failures, board = {}, {}, []
    for live in inventory(manifest, have, folders(manifest, given)):
        if live.spec is not None:  # deploy.toml says how much it gets
            continue
        enough = int(live.latest.raw["resources"]["memory"]) >= at_least
        if not enough:
            specs[live.key] = copy_of(live, manifest, failures, memory_bytes=at_least)
        status = "done" if enough else "waiting"
        board.append(Standing(live.key, live.function.folder_id, live.runtime, status, failures.get(live.key, "")))
    return Wants(specs, given["rollout"], board=tuple(board), failures=failures)
