"""Calls Functions over HTTP at the invoke endpoint, which is another host than the API's (cloud-api#invocation)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

import anyio

from orchestrator.cloud import answers, bounds
from orchestrator.cloud.endpoints import clean_endpoint
from orchestrator.cloud.tokens import TokenSource
from orchestrator.cloud.transport import Transport
from orchestrator.cloud.wording import restated
from orchestrator.errors import CloudError, Code
from orchestrator.model import Function, InvokeAnswer, InvokeRequest

INVOKE_ENDPOINT = "https://functions.yandexcloud.net"
_CALL = "invoke"
_OURS = frozenset({"authorization", "host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_SHOWN_CHARS = 100  # characters of an invalid URL
_SLACK_S = 5.0  # aiohttp's own limit is this much later than ours


class HttpInvocations:
    """`ports.Invocations`. The IAM token is sent only to the invoke endpoint: redirects are answers, and not followed.

    Raises `StartError` for an invoke endpoint that is not a URL.
    """

    def __init__(self, transport: Transport, tokens: TokenSource, invoke_endpoint: str = INVOKE_ENDPOINT) -> None:
        self._transport = transport
        self._tokens = tokens
        self._endpoint = clean_endpoint(invoke_endpoint, example=INVOKE_ENDPOINT, check="[cloud] invoke_endpoint")

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        token = await self._tokens.token()
        began = anyio.current_time()
        raw: answers.Raw | None = None
        with anyio.move_on_after(request.timeout_s):
            raw = await self._sent(request, token)
        if raw is None:
            raise CloudError(
                f"function {request.function_id} did not respond within {request.timeout_s:g} s",
                call=_CALL,
                code=Code.DEADLINE_EXCEEDED,
            )
        headers = {name.lower(): value for name, value in raw.headers.items()}
        return InvokeAnswer(raw.status, headers, raw.content, anyio.current_time() - began)

    async def _sent(self, request: InvokeRequest, token: str) -> answers.Raw:
        theirs = {name: value for name, value in request.headers.items() if name.lower() not in _OURS}
        try:
            return await self._transport.exchange(
                request.method,
                f"{self._endpoint}/{quote(request.function_id, safe='')}",
                name=_CALL,
                query=_query(request),
                content=request.body or None,
                extra_headers={**theirs, "Authorization": f"Bearer {token}"},
                secret=token,
                total_limit_s=request.timeout_s + _SLACK_S,
                answer_max_bytes=bounds.INVOKE_ANSWER_MAX_BYTES,
            )
        except CloudError as error:
            if error.code is None and error.http_status is None:
                raise restated(error, code=Code.UNAVAILABLE) from error
            raise


class ToldInvocations:
    """`ports.Invocations` of an installation that returns the URL of each Function. The token is sent to that origin,
    unencrypted only if it is sent so to the API too. `at`: calls Functions below a URL.
    """

    def __init__(
        self,
        get_function: Callable[[str], Awaitable[Function]],
        at: Callable[[str], HttpInvocations],
        endpoint: str,
    ) -> None:
        self._get_function = get_function
        self._at = at
        self._endpoint = endpoint
        self._known: dict[str, HttpInvocations] = {}  # by Function ID

    async def invoke(self, request: InvokeRequest) -> InvokeAnswer:
        function_id = request.function_id
        if function_id not in self._known:
            self._known[function_id] = self._at(self._base(await self._get_function(function_id)))
        return await self._known[function_id].invoke(request)

    def _base(self, function: Function) -> str:
        """Return the URL below which a Function is called."""
        url = function.invoke_url.rstrip("/")
        base = url.removesuffix(f"/{quote(function.id, safe='')}")
        schemes = ("https://", "http://") if self._endpoint.startswith("http:") else ("https://",)
        if base == url or not base.startswith(schemes):
            said = f" ({url[:_SHOWN_CHARS]})" if url else ""
            raise CloudError(
                f"{self._endpoint} does not return the URL of function {function.id}{said}",
                call=_CALL,
                code=Code.FAILED_PRECONDITION,
                advice="set [cloud] invoke_endpoint",
            )
        return base


def _query(request: InvokeRequest) -> Mapping[str, str]:
    """The user's own parameters never choose the Version or the kind of call."""
    return {**request.query, "tag": request.tag, **({"integration": "raw"} if request.raw else {})}
