"""Give every live function that deploy.toml does not declare at least so much memory; all else is copied."""

from orchestrator.job import Desired, JobError, JobStatus, Parameter, copy_of, folders_of, inventory, size

PARAMETERS = {
    "at_least": Parameter('memory, such as "256MB"', required=True),
    "folders": Parameter("folders to look at; default: every folder of the manifest", default=()),
}


def folders(manifest, given):
    return folders_of(manifest, given)


def desired(manifest, live, given):
    try:
        at_least = size(given["at_least"])
    except ValueError as error:
        raise JobError(f"`at_least` {error}") from error
    specs, failures, board = {}, {}, []
    for one in inventory(manifest, live, folders(manifest, given)):
        if one.spec is not None:  # deploy.toml says how much it gets
            continue
        enough = int(one.latest.raw["resources"]["memory"]) >= at_least
        if not enough:
            specs[one.key] = copy_of(one, manifest, failures, memory_bytes=at_least)
        status = "done" if enough else "waiting"
        board.append(JobStatus(one.key, one.function.folder_id, one.runtime, status, failures.get(one.key, "")))
    return Desired(specs, given["rollout"], board=tuple(board), failures=failures)
