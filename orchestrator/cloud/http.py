"""One call for all of the cloud's services: address, token, and one refresh if the token is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from orchestrator.cloud import bounds
from orchestrator.cloud.answers import Answer, decoded, unusable
from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.tokens import TokenSource
from orchestrator.cloud.transport import Transport
from orchestrator.cloud.wording import restated
from orchestrator.errors import CloudError, Code
from orchestrator.model.units import as_size
from orchestrator.ports import Guard, unguarded

PAGE_SIZE = 1000  # the maximum that the API declares
_NOT_A_PAGE = {"code", "message", "error", "errors"}  # keys of error answers, here and elsewhere

Item = TypeVar("Item")


class HttpClient:
    """Calls services by their ID. Nothing is retried here, except once a call whose token was refused."""

    def __init__(self, transport: Transport, endpoints: Endpoints, tokens: TokenSource) -> None:
        self._transport = transport
        self._endpoints = endpoints
        self._tokens = tokens

    def offers(self, service: str) -> bool:
        return self._endpoints.offers(service)

    def server_time(self) -> datetime | None:
        """Return what the service's clock shows now, by the `Date` of its last answer; None before the first."""
        if not self._transport.knows_server_time():
            return None
        return datetime.fromtimestamp(self._transport.now(), UTC)

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        name: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        authorized: bool = True,
        guard: Guard = unguarded,
    ) -> Answer:
        """Call `method` `path` of a service. `name`: the API's name of the call, for errors.

        `path` is sent as it is: the caller quotes IDs in it. `guard`: as in `ports.Functions.send`. Raises
        `CloudError`, with `sent` False if there was no token; `StartError` if the installation does not offer the
        service.
        """
        url = self._endpoints.url(service) + path
        keyed = {"Idempotency-Key": idempotency_key} if idempotency_key else {}

        async def send(token: str) -> Answer:
            bearer = {"Authorization": f"Bearer {token}"} if token else {}
            return await self._transport.request(
                method, url, name=name, query=query, body=body, extra_headers={**keyed, **bearer}, secret=token,
                guard=guard,
            )  # fmt: skip

        if not authorized:
            return await send("")
        token = await self._tokens.token()
        try:
            return await send(token)
        except CloudError as error:
            if error.code is not Code.UNAUTHENTICATED:
                raise
            if not self._tokens.refreshable:
                message = f"the token of {self._tokens.origin} has expired or is not valid: {error.message}"
                raise restated(error, message=message, advice=self._tokens.advice) from error
        return await send(await self._tokens.renew(token))

    async def list_all(
        self,
        service: str,
        path: str,
        *,
        name: str,
        query: Mapping[str, str],
        field: str,
        decode: Callable[[object], Item],
    ) -> tuple[Item, ...]:
        """Read all pages of a listing. A part is never taken for the whole.

        `field`: has the items of a page. `decode`: parses one. Raises `CloudError` like `call`, also for an invalid
        page, for a repeated page token, and for more than `bounds` allows one listing.
        """
        items: list[Item] = []
        seen: set[str] = set()
        token, size_bytes = "", 0
        while True:
            page: dict[str, str | int] = {**query, "pageSize": PAGE_SIZE}
            if token:
                page["pageToken"] = token
            answer = await self.call(service, "GET", path, name=name, query=page)
            found = answer.json.get(field) or []  # proto3 JSON omits an empty list
            if not isinstance(found, list):
                raise unusable(name, answer, f"{field} is not a list")
            if not found and not _NOT_A_PAGE.isdisjoint(answer.json):  # never mistaken for an empty folder
                raise unusable(name, answer, f"it has no {field}, but {', '.join(sorted(answer.json))[:80]}")
            items += [decoded(name, answer, decode, item) for item in found]
            token = answer.json.get("nextPageToken") or ""
            if not token:
                return tuple(items)
            size_bytes += answer.size_bytes
            if why := _endless(token, seen, size_bytes):
                raise unusable(name, answer, why)
            seen.add(token)


def _endless(token: object, seen: Collection[str], size_bytes: int) -> str:
    """Return why the next page of a listing is not requested, "" if it is. `seen`: the tokens of earlier pages."""
    if not isinstance(token, str) or len(token) > bounds.PAGE_TOKEN_MAX_CHARACTERS:
        return f"its page token is not a text of at most {bounds.PAGE_TOKEN_MAX_CHARACTERS} characters"
    if token in seen:
        return "the pages repeat: a page token came back"
    if len(seen) + 1 >= bounds.PAGES_MAX:
        return f"after {bounds.PAGES_MAX} pages there are still more"
    if size_bytes > bounds.LISTING_MAX_BYTES:
        return f"its pages together are larger than {as_size(bounds.LISTING_MAX_BYTES)}"
    return ""
