"""The Operations port over HTTP: another host than the one that began the Operation."""

from __future__ import annotations

from urllib.parse import quote

from orchestrator.cloud.answers import operation_of
from orchestrator.cloud.endpoints import OPERATION
from orchestrator.cloud.http import HttpClient
from orchestrator.model import Operation


class HttpOperations:
    """`ports.Operations`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def get(self, operation_id: str) -> Operation:
        path = f"/operations/{quote(operation_id, safe='')}"
        answer = await self._client.call(OPERATION, "GET", path, name="get operation")
        return operation_of("get operation", answer)
