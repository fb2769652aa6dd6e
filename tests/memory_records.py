"""Small objects with compare-and-set, in memory: the `Records` port for tests in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping

import anyio
import anyio.lowlevel

from orchestrator.sandbox.memory.objects import Objects, RefusedError


class MemoryRecords:
    """`meet` is awaited before and after each call: it may delay it, or raise, so that an answer is lost."""

    def __init__(self, meet: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.meet = meet
        self._count = 0
        self.objects: MutableMapping[str, tuple[bytes, str]] = {}

    async def read(self, key: str) -> tuple[bytes, str] | None:
        await self._trouble("before read")
        found = self.objects.get(key)
        await self._trouble("after read")
        return found

    async def create(self, key: str, body: bytes) -> str | None:
        await self._trouble("before create")
        etag = self._put(key, body) if key not in self.objects else None
        await self._trouble("after create")
        return etag

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        await self._trouble("before replace")
        found = self.objects.get(key)
        written = self._put(key, body) if found is not None and found[1] == etag else None
        await self._trouble("after replace")
        return written

    def _put(self, key: str, body: bytes) -> str:
        self._count += 1
        self.objects[key] = (body, str(self._count))
        return str(self._count)

    async def _trouble(self, when: str) -> None:
        await anyio.lowlevel.checkpoint()
        if self.meet is not None:
            await self.meet(when)


async def never_stopped(_run_id: str) -> str:
    """Return that no run was stopped for good."""
    return ""


class ObjectRecords:
    """The `Records` port over the objects of a bucket in memory. `reads`: requested keys, in order. `meet`: called
    before each call with the action and the key, so that it can raise, or let others act in between.
    """

    def __init__(self, objects: Objects, bucket: str, clock: Callable[[], float]) -> None:
        self._objects, self._bucket, self._clock = objects, bucket, clock
        self.reads = list[str]()
        self.meet: Callable[[str, str], None] = lambda _what, _key: None

    async def read(self, key: str) -> tuple[bytes, str] | None:
        await anyio.lowlevel.checkpoint()
        self.reads.append(key)
        self.meet("read", key)
        body, head = self._objects.get(self._bucket, key), self._objects.head(self._bucket, key)
        return (body, head.etag) if isinstance(body, bytes) and head is not None else None

    async def create(self, key: str, body: bytes) -> str | None:
        return self._write("create", key, body, if_none_match=True)

    async def replace(self, key: str, body: bytes, etag: str) -> str | None:
        return self._write("replace", key, body, if_match=etag)

    def _write(
        self, what: str, key: str, body: bytes, *, if_none_match: bool = False, if_match: str | None = None
    ) -> str | None:
        self.meet(what, key)
        try:
            return self._objects.put(
                self._bucket, key, body, modified_at=self._clock(), if_none_match=if_none_match, if_match=if_match
            ).etag
        except RefusedError:
            return None
