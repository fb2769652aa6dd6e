"""The content of a bucket: listed page by page, and deleted object by object.

Not with DeleteObjects, because S3 services differ in its checksums. Each object is checked right before it is deleted,
so that one that was put again since the listing stays.

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
PAGE_OBJECTS = 1000  # the maximum of a page
_LIST, _HEAD = "list objects", "head object"


class Translated(Protocol):
    """Turns whatever botocore raises into our own error."""

    def __call__(self, error: Exception, *, call: str, bucket: str) -> CloudError: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing. `token`: of the next page, "" at the end. `at`: the storage's clock, in epoch seconds."""

    objects: tuple[ListedObject, ...]
    token: str
    at: float


class BucketContents:
    """The calls, each made in a worker thread. Errors are returned."""

    def __init__(self, s3: Any, host: str, translated: Translated) -> None:
        self._s3 = s3
        self._host = host
        self._translated = translated

    def page(self, bucket: str, prefix: str, token: str, call: ThreadCall) -> Page | CloudError:
        """List one page of the objects whose keys begin with `prefix`: the first, or the one of a token."""
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
            return self._unusable("is cut off, and has no token of the next page")
        objects = tuple(_listed(one) for one in answer.get("Contents", ()))
        if not all(one.key.startswith(prefix) for one in objects):
            return self._unusable("has objects outside the prefix")
        at = asked_at(answer)
        if at is None:
            return self._unusable("does not have the storage's time, so the age of its objects is unknown")
        return Page(objects, following, at)

    def delete(self, bucket: str, listed: ListedObject, call: ThreadCall) -> bool | CloudError:
        """Delete an object as it was listed. False: it was put again since."""
        try:
            with call:
                head = self._s3.head_object(Bucket=bucket, Key=listed.key)
                if int(head["LastModified"].timestamp()) != int(listed.modified_at):  # heads have whole seconds
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
            advice="a proxy in front of the storage may change its answers: add the storage to NO_PROXY",
        )


def _listed(one: Mapping[str, Any]) -> ListedObject:
    return ListedObject(str(one["Key"]), int(one["Size"]), one["LastModified"].timestamp())
