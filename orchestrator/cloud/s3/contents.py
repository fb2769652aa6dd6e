"""What is in a bucket: listed page by page, and removed object by object.

One by one, and not by DeleteObjects, whose checksums S3 services do not agree on; right before that each is looked at,
so that what somebody has put again since it was listed stays.

Imports botocore, which is slow to load: import this module in a worker thread only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.cloud.s3.call import AbandonedError, ThreadCall
from orchestrator.cloud.s3.heads import asked_at
from orchestrator.cloud.s3.refusals import DELETE, is_missing, not_storage
from orchestrator.errors import CloudError, Code
from orchestrator.model import ListedObject

_FAILURES = (BotoCoreError, ClientError, AbandonedError)
PAGE_OBJECTS = 1000  # the most that a page may hold
_LIST, _HEAD = "list objects", "head object"


class Translated(Protocol):
    """Makes the one error of whatever botocore raises."""

    def __call__(self, error: Exception, *, call: str, bucket: str) -> CloudError: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing. `token`: of the next one, "" at the end; `at`: the storage's clock, in epoch seconds."""

    objects: tuple[ListedObject, ...]
    token: str
    at: float


class BucketContents:
    """The calls, each made in a worker thread. What goes wrong is returned."""

    def __init__(self, s3: Any, host: str, translated: Translated) -> None:
        self._s3 = s3
        self._host = host
        self._translated = translated

    def page(self, bucket: str, prefix: str, token: str, call: ThreadCall) -> Page | CloudError:
        """List a page of the objects whose keys begin with `prefix`: the first one, or that of a token."""
        more = {"ContinuationToken": token} if token else {}
        try:
            with call:
                answer = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=PAGE_OBJECTS, **more)
        except _FAILURES as error:
            return self._translated(error, call=_LIST, bucket=bucket)
        meta, following = answer["ResponseMetadata"], str(answer.get("NextContinuationToken") or "")
        if "html" in meta["HTTPHeaders"].get("content-type", "") or not isinstance(answer.get("IsTruncated"), bool):
            return not_storage(_LIST, self._host, meta["HTTPStatusCode"], meta["HTTPHeaders"])
        if answer["IsTruncated"] != bool(following):
            return self._unusable("is cut short, and there is no token of the next page")
        objects = tuple(_listed(one) for one in answer.get("Contents", ()))
        if not all(one.key.startswith(prefix) for one in objects):
            return self._unusable("holds objects that were not asked for")
        at = asked_at(answer)
        if at is None:
            return self._unusable("does not tell the storage's time, so that no object's age is known")
        return Page(objects, following, at)

    def delete(self, bucket: str, listed: ListedObject, call: ThreadCall) -> bool | CloudError:
        """Delete an object as it was listed. False: it was put again since."""
        try:
            with call:
                head = self._s3.head_object(Bucket=bucket, Key=listed.key)
                if int(head["LastModified"].timestamp()) != int(listed.modified_at):  # heads tell whole seconds
                    return False
        except _FAILURES as error:
            return True if is_missing(error) else self._translated(error, call=_HEAD, bucket=bucket)
        try:
            with call:
                self._s3.delete_object(Bucket=bucket, Key=listed.key)
        except _FAILURES as error:
            return True if is_missing(error) else self._translated(error, call=DELETE, bucket=bucket)
        return True

    def _unusable(self, why: str) -> CloudError:
        return CloudError(
            f"a page of the listing that {self._host} answered {why}",
            call=_LIST,
            code=Code.FAILED_PRECONDITION,
            advice="a proxy before the storage may change its answers: list the storage in NO_PROXY",
        )


def _listed(one: Mapping[str, Any]) -> ListedObject:
    return ListedObject(str(one["Key"]), int(one["Size"]), one["LastModified"].timestamp())
