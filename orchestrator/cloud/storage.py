"""Object Storage: packages are put once, from a limited number of worker threads. A put ends at once when nothing waits
for it.
"""

from __future__ import annotations

import math
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import checkpoint_if_cancelled
from yarl import URL

from orchestrator.cloud import bounds
from orchestrator.cloud.keys import StaticKeys
from orchestrator.cloud.proxies import proxy_for
from orchestrator.cloud.s3.call import ThreadCall
from orchestrator.errors import CloudError, Code, OrchestratorError, StartError
from orchestrator.model import BucketListing, ListedObject, Package, StoredObject
from orchestrator.ports import Progress

if TYPE_CHECKING:
    from orchestrator.cloud.s3.client import Client


T = TypeVar("T")

_CREDENTIALS = "set YC_STORAGE_ACCESS_KEY and YC_STORAGE_SECRET_KEY, or credentials for an IAM token"
_REPORT_S = 0.25  # between two progress reports


@dataclass(slots=True)
class _Flight:
    """One upload, and all that wait for it. `outcome` None at its end: it was cancelled."""

    landed: anyio.Event = field(default_factory=anyio.Event)
    outcome: StoredObject | OrchestratorError | None = None


class S3ObjectStore:
    """The `ObjectStore` port over boto3, for the S3 service at `endpoint` (scheme and host).

    `token` returns the IAM token if there are no static keys. `renew` returns a different one than the one that was
    refused. At most `threads` calls run at once. Nothing is retried here, except once after `renew`. An async context
    manager: leaving it closes the connections.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        credentials: StaticKeys | None,
        token: Callable[[], Awaitable[str]] | None = None,
        renew: Callable[[str], Awaitable[str]] | None = None,
        threads: int = 16,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if credentials is None and token is None:
            raise StartError("there are no credentials for Object Storage", advice=_CREDENTIALS)
        self._endpoint = endpoint
        self._credentials = credentials
        self._token = token
        self._renew = renew
        self._threads = threads
        self._environ = os.environ if environ is None else environ
        self._bearer = ""  # the newest token: valid for any request that uses it
        self._client: Client | None = None
        self._opening = anyio.Lock()
        self._limiter = anyio.CapacityLimiter(threads)
        self._flights: dict[tuple[str, str], _Flight] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    async def check(self, bucket: str) -> None:
        """Raise `CloudError` with advice if the bucket is missing or may not be used."""
        error = await self.with_token(lambda client, call: client.check(bucket, call))
        if error is not None:
            raise error

    async def etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag of an object's current state. Raises `CloudError`."""
        return _raised(await self.with_token(lambda client, call: client.etag(bucket, key, call)))

    async def put_once(self, bucket: str, key: str, package: Package, progress: Progress | None = None) -> StoredObject:
        """Put a package unless it exists. Callers with the same package, now or later, wait for that upload.

        Cancelling ends the upload, its connection and its work in the thread at once (while connecting: within 10 s).
        Others that wait for it start it again. Raises `CloudError`, or `PackageError` if the file is gone.
        """
        place = (bucket, key)
        while (flight := self._flights.get(place)) is not None:
            await flight.landed.wait()
            if flight.outcome is not None:
                return replace(_landed(flight.outcome), existed=True)
        flight = self._flights[place] = _Flight()
        report = _on_the_loop(progress, package.size_bytes)
        try:
            flight.outcome = await self.with_token(lambda client, call: client.put(bucket, key, package, report, call))
            if progress is not None and isinstance(flight.outcome, StoredObject) and not flight.outcome.existed:
                progress(package.size_bytes)
        except OrchestratorError as error:  # no token: reported to all that wait, like any other failure
            flight.outcome = error
        finally:
            if not isinstance(flight.outcome, StoredObject):
                del self._flights[place]
            flight.landed.set()
        return _landed(flight.outcome)

    async def contents(self, bucket: str, prefix: str) -> BucketListing:
        """List the objects whose keys begin with `prefix`, page by page to the end. Raises `CloudError`."""
        objects, tokens, at = list[ListedObject](), list[str](), math.inf
        while not tokens or tokens[-1]:
            token = tokens[-1] if tokens else ""
            page = _raised(
                await self.with_token(
                    lambda client, call, token=token: client.contents.page(bucket, prefix, token, call)  # type: ignore[misc]  # mypy: no default in a lambda
                )
            )
            objects += page.objects
            at = min(at, page.at)
            if page.token in tokens or (page.token and len(tokens) + 1 >= bounds.PAGES_MAX):
                raise CloudError(
                    f"the listing of {prefix} in the bucket {bucket} does not end",
                    call="list objects",
                    code=Code.OUT_OF_RANGE,
                    advice="set another prefix in [storage] of the manifest, which starts with an empty folder",
                )
            tokens.append(page.token)
        return BucketListing(tuple(objects), at)

    async def delete(self, bucket: str, listed: ListedObject) -> bool:
        """Delete an object unless it was put again since the listing. Raises `CloudError`."""
        return _raised(await self.with_token(lambda client, call: client.contents.delete(bucket, listed, call)))

    async def with_token(self, work: Callable[[Client, ThreadCall], T]) -> T:
        """Make a call in a thread with a valid token. Repeat it once if the token was refused and there is another."""
        client = await self._opened()
        if self._credentials is not None or self._token is None:
            return await self._in_thread(client, work)
        token = self._bearer = await self._token()
        result = await self._in_thread(client, work)
        if self._renew is not None and isinstance(result, CloudError) and result.code is Code.UNAUTHENTICATED:
            self._bearer = await self._renew(token)
            if self._bearer != token:
                return await self._in_thread(client, work)
        return result

    async def _in_thread(self, client: Client, work: Callable[[Client, ThreadCall], T]) -> T:
        """Make a call in one of our threads. When cancelled, it returns as soon as the thread has stopped, which is at
        once.
        """
        call = ThreadCall()
        async with anyio.create_task_group() as group:
            group.start_soon(_abandon_when_cancelled, call)
            result = await to_thread.run_sync(work, client, call, limiter=self._limiter)
            group.cancel_scope.cancel()
        await checkpoint_if_cancelled()
        return result

    async def _opened(self) -> Client:
        async with self._opening:
            if self._client is None:
                self._client = await to_thread.run_sync(self._open, limiter=self._limiter)
            return self._client

    def _open(self) -> Client:
        from orchestrator.cloud.s3.client import Client  # noqa: PLC0415 - boto3 is slow: in this thread, if at all

        url = URL(self._endpoint)
        proxy = proxy_for(url, self._environ)
        # The named file, else the system's own, as for connections to the API; else the one that comes with botocore.
        ca_file = self._environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
        try:
            return Client(
                self._endpoint,
                self._credentials,
                lambda: self._bearer,
                threads=self._threads,
                proxies={url.scheme: str(proxy)} if proxy else {},
                ca_file=ca_file,
            )
        except ValueError as error:
            raise StartError(
                f"{self._endpoint} is not an address of Object Storage", advice="check the storage endpoint"
            ) from error


def _on_the_loop(progress: Progress | None, size_bytes: int) -> Progress | None:
    """Return a function that reports a thread's progress to the loop from time to time, so that listeners need not
    handle threads. The loop itself reports the end: a thread would have to wait for it, which for small packages takes
    a large part of the time.
    """
    if progress is None:
        return None
    reported_at = 0.0

    def report(sent_bytes: int) -> None:
        nonlocal reported_at
        if sent_bytes < size_bytes and time.monotonic() >= reported_at + _REPORT_S:
            reported_at = time.monotonic()
            from_thread.run_sync(progress, sent_bytes)

    return report


async def _abandon_when_cancelled(call: ThreadCall) -> None:
    # Also ends with the call: abandoning a finished call has no effect.
    try:
        await anyio.sleep_forever()
    finally:
        call.abandon()


def _landed(outcome: StoredObject | OrchestratorError) -> StoredObject:
    if isinstance(outcome, OrchestratorError):
        raise outcome
    return outcome


class S3Records:
    """Records in a bucket, with `If-None-Match: *` and `If-Match` (cloud-api#object-storage). Raises `CloudError`."""

    def __init__(self, store: S3ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    async def read(self, key: str) -> tuple[bytes, str] | None:
        return _raised(await self._store.with_token(lambda client, call: client.read(self._bucket, key, call)))

    async def create(self, key: str, body: bytes) -> str | None:
        return await self._write(key, body, None)

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        return await self._write(key, body, etag)

    async def _write(self, key: str, body: bytes, etag: str | None) -> str | None:
        return _raised(
            await self._store.with_token(lambda client, call: client.write(self._bucket, key, body, etag, call))
        )


def _raised(result: T | CloudError) -> T:
    if isinstance(result, CloudError):
        raise result
    return result
