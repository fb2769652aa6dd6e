"""Listings to their end: all pages, or an error. A part is never taken for the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from orchestrator.cloud.answers import decoded, unusable
from orchestrator.cloud.http import HttpClient

Item = TypeVar("Item")

PAGE_SIZE = 1000  # the most that the API declares


async def list_all(
    client: HttpClient,
    service: str,
    path: str,
    *,
    name: str,
    query: Mapping[str, str],
    field: str,
    decoder: Callable[[object], Item],
) -> tuple[Item, ...]:
    """Follow `nextPageToken` until there is none. Raises `CloudError`, also for a token that comes back."""
    items: list[Item] = []
    seen: set[str] = set()
    token = ""
    while True:
        page: dict[str, str | int] = {**query, "pageSize": PAGE_SIZE}
        if token:
            page["pageToken"] = token
        answer = await client.call(service, "GET", path, name=name, query=page)
        found = answer.json.get(field) or []
        if not isinstance(found, list):
            raise unusable(name, answer, f"{field} is not a list")
        items += [decoded(name, answer, decoder, item) for item in found]
        token = answer.json.get("nextPageToken") or ""
        if not token:
            return tuple(items)
        if not isinstance(token, str) or token in seen:
            raise unusable(name, answer, "the pages go round in a circle: a page token came back")
        seen.add(token)
