"""Deleting objects of the bucket one by one: a failure does not stop the others."""

from __future__ import annotations

from functools import partial

import structlog

from orchestrator.app.session.leftovers.stored import INDEX, BucketAccess
from orchestrator.app.session.records.index import IndexRow, change_index
from orchestrator.coordination.left_behind import bury
from orchestrator.errors import CloudError, Code, InterruptedRunError
from orchestrator.model import ListedObject
from orchestrator.planning.prune.leftovers import RECORDS, Leftovers, Removed, StoredLeftovers, Total
from orchestrator.report.messages import Messages, with_facts
from orchestrator.report.plain_text import counted
from orchestrator.resilience.groups import each
from orchestrator.resilience.stop import Stop, StoppedError

_AT_ONCE = 16
_FOR_ALL = (Code.PERMISSION_DENIED, Code.UNAUTHENTICATED)  # a refusal for one object applies to all
_log = structlog.get_logger()


async def remove_leftovers(
    access: BucketAccess, found: StoredLeftovers, stop: Stop, messages: Messages
) -> tuple[Removed, ...]:
    """Delete what can be deleted. A stop ends it, and the next call finds the rest. Failures are in the result."""
    removed = []
    for kind in found.kinds:
        why = await _unindex(access, found, stop) if kind.kind == RECORDS else ""
        if why:
            removed.append(Removed(kind.kind, failed={access.key(INDEX): why}, left=len(kind.goes)))
        else:
            removed.append(await _remove(access, kind, stop))
    await _bury(access, found, stop, messages)
    return tuple(removed)


async def _unindex(access: BucketAccess, found: StoredLeftovers, stop: Stop) -> str:
    """Remove the rows of deleted runs from the index before their records, so that it names no missing record. Return
    why that failed, or "".
    """
    if not found.run_ids:
        return ""

    def without(rows: list[IndexRow]) -> list[IndexRow]:
        return [row for row in rows if row["run_id"] not in found.run_ids]

    try:
        with stop.interruptible():
            done = await change_index(access.records, access.key(INDEX), without, access.world)
    except StoppedError:
        return "stopped"
    except (CloudError, InterruptedRunError) as error:
        return _cause_of(error)
    return "" if done else "others keep changing it: try again later"


async def _remove(access: BucketAccess, kind: Leftovers, stop: Stop) -> Removed:
    removed, refused = Removed(kind.kind), False

    async def remove(listed: ListedObject) -> None:
        nonlocal refused
        if refused or stop.reason:
            removed.left += 1
            return
        try:
            with stop.interruptible():
                gone = await access.world.read(partial(access.store.delete, access.bucket, listed))
        except StoppedError:
            removed.left += 1
        except (CloudError, InterruptedRunError) as error:
            removed.failed[listed.key] = _cause_of(error)
            refused = refused or (isinstance(error, CloudError) and error.code in _FOR_ALL)
            _log.warning("object not deleted", bucket=access.bucket, object=listed.key, reason=error.message)
        else:
            _note(removed, listed, access.bucket, gone=gone)

    await each(kind.goes, remove, at_once=_AT_ONCE)
    return removed


def _note(removed: Removed, listed: ListedObject, bucket: str, *, gone: bool) -> None:
    if gone:
        removed.gone += Total(1, listed.size_bytes)
        _log.info("object deleted", bucket=bucket, object=listed.key, size_bytes=listed.size_bytes, what=removed.kind)
    else:
        removed.again.append(listed.key)
        _log.info("object kept: it was put again", bucket=bucket, object=listed.key)


async def _bury(access: BucketAccess, found: StoredLeftovers, stop: Stop, messages: Messages) -> None:
    if not found.dead:
        return
    try:
        with stop.interruptible():
            went = await bury(access.leases, found.dead)
    except StoppedError:
        return
    except (CloudError, InterruptedRunError) as error:
        messages.warn(f"the leases of dead runs cannot be removed: {_cause_of(error)}")
        return
    _log.info("leases of dead runs removed", runs=sorted(found.dead))
    messages.say(f"{counted(went, 'lease')} of dead runs removed")


def _cause_of(error: CloudError | InterruptedRunError) -> str:
    cause = with_facts(error) if isinstance(error, CloudError) else error.message
    return f"{cause}: {error.advice}" if error.advice else cause
