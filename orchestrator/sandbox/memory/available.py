"""What a new Version must not refer to: things that were destroyed, deleted, or have become obsolete.

What the cloud says about a secret and an account was seen in practice (cloud-api#roles); the rest is ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.errors import Code
from orchestrator.sandbox.memory.cloud_state import Record
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.seeded import Seeds


def check_named(fields: Record, seeds: Seeds) -> None:
    """Refuse a valid createVersion body that names a missing version of a secret or a missing service account. What was
    never seeded is not known to be missing. Raises `Fault`.
    """
    for secret in fields.get("secrets", ()):
        secret_id, version_id = secret.get("id", ""), secret.get("versionId", "")
        known = seeds.secret_versions(secret_id)
        gone = known is not None and (version_id not in known or known[version_id]["status"] != "ACTIVE")
        if gone or version_id in ("", "latest"):
            raise Fault(Code.NOT_FOUND, f"Secret {secret_id} or its version {version_id} not found")
    for account_id in _accounts(fields):
        if account_id in seeds.removed_accounts:
            raise Fault(Code.INVALID_ARGUMENT, f"Service account {account_id} is not available")


def _accounts(fields: Record) -> Iterator[str]:
    """Yield every account that a Version acts as: its own, the named ones, and those that write to queues."""
    asynchronous = fields.get("asyncInvocationConfig", {})
    queues = [asynchronous.get(name, {}).get("ymqTarget", {}) for name in ("successTarget", "failureTarget")]
    for one in (fields, asynchronous, *queues):
        if "serviceAccountId" in one:
            yield one["serviceAccountId"]
    yield from fields.get("namedServiceAccounts", {}).values()


def check_source(version: Record, seeds: Seeds) -> None:
    """Refuse the copy of a Version that does not serve. Raises `Fault`.

    | status             | copied                                                |
    | ---                | ---                                                   |
    | ACTIVE             | yes                                                   |
    | OBSOLETE           | if the seeds say so (what the cloud does: unverified) |
    | CREATING, DELETING | no                                                    |
    """
    status = version["status"]
    if status != "ACTIVE" and not (status == "OBSOLETE" and seeds.obsolete_copies):
        raise Fault(Code.FAILED_PRECONDITION, f"Version {version['id']} is {status}")
