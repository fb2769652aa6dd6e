"""The IAM tokens of a run: a fixed one, or one that is renewed early, once for all callers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from orchestrator.cloud.wording import restated
from orchestrator.errors import CloudError

PAUSE_AFTER_FAILURE_S = 30.0  # a token that is still valid is used this long before the next attempt to renew it


class TokenSource(Protocol):
    """Where tokens come from. `origin`: names it in an error. `advice`: what to do if it gives none. `account`: the
    service account of the tokens, "" if it is not known.
    """

    refreshable: bool
    origin: str
    advice: str
    account: str
    warnings: tuple[str, ...]

    async def token(self) -> str:
        """Return a valid token. Raises `CloudError` with `sent` False: the request that needed it was not sent."""
        ...

    async def renew(self, refused: str) -> str:
        """Return a different token than the one that was just refused. Raises like `token`."""
        ...


@dataclass(frozen=True, slots=True)
class Issued:
    """A token from its issuer. `life_s`: how long it is valid from now."""

    value: str
    life_s: float


@dataclass(frozen=True, slots=True)
class _Held:
    value: str
    renew_at: float
    expires_at: float


class FixedToken:
    """A token from the environment: when it has expired, the run cannot continue."""

    refreshable = False
    account = ""

    def __init__(self, value: str, origin: str) -> None:
        self._value = value
        self.origin = origin
        self.advice = (
            f"get another token (`yc iam create-token`), put it in {origin} and start again; for long or unattended "
            "runs use an authorized key (YC_SERVICE_ACCOUNT_KEY_FILE), which is renewed automatically"
        )
        self.warnings: tuple[str, ...] = ()

    async def token(self) -> str:
        return self._value

    async def renew(self, refused: str) -> str:
        return refused


class CachedToken:
    """A token that is kept until a tenth of its life is left (at least a minute, or half of a very short life).

    One caller renews it. The others wait, or use the old token if it is still valid. All that waited get the same
    failure: a hundred callers never make a hundred attempts.
    """

    refreshable = True

    def __init__(
        self,
        issue: Callable[[], Awaitable[Issued]],
        *,
        now: Callable[[], float],
        origin: str,
        advice: str,
        account: str = "",
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._issue = issue
        self._now = now
        self.origin = origin
        self.advice = advice
        self.account = account
        self.warnings = warnings
        self._held: _Held | None = None
        self._lock = anyio.Lock()
        self._tries = 0
        self._failure: CloudError | None = None

    async def token(self) -> str:
        held = self._held
        if held is not None:
            now = self._now()
            if now < held.renew_at or (now < held.expires_at and self._lock.locked()):
                return held.value
        return (await self._another(held)).value

    async def renew(self, refused: str) -> str:
        held = self._held
        if held is not None and held.value != refused:
            return held.value
        self._held = None
        return (await self._another(None)).value

    async def _another(self, old: _Held | None) -> _Held:
        tries = self._tries
        async with self._lock:
            if self._tries != tries:  # another caller tried meanwhile
                if self._failure is not None:
                    raise restated(self._failure)
                if self._held is not None:
                    return self._held
            try:
                issued = await self._issue()
            except CloudError as error:
                self._tries += 1
                now = self._now()
                if old is not None and now < old.expires_at:
                    self._failure = None
                    self._held = _Held(old.value, now + PAUSE_AFTER_FAILURE_S, old.expires_at)
                    return self._held
                self._failure = restated(error, sent=False)
                raise restated(error, sent=False) from error
            self._tries += 1
            self._failure = None
            self._held = self._hold(issued)
            return self._held

    def _hold(self, issued: Issued) -> _Held:
        now, life_s = self._now(), issued.life_s
        early_s = min(max(life_s / 10, 60.0), life_s / 2)
        return _Held(issued.value, now + life_s - early_s, now + life_s)
