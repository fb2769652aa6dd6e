"""Access control: a request needs the token of this start, from a page of ours, under our host name.

| a request                                                   | response                      |
| ---                                                         | ---                           |
| under another `Host` than ours (a name that resolves here)  | 403                           |
| with the `Origin` of another page, for anything             | 403                           |
| for a script, a style, the page itself: they hold no data   | served                        |
| for data, without the token in `Authorization: Bearer`      | 401                           |
| for data, with the token                                    | served                        |
| that changes something (POST), without an `Origin` of ours  | 403                           |

The token is not in a cookie, which would be sent to every server of this machine. It is not in a requested address
either: the fragment of the page's own address is not sent. So no other page can make a browser send it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
DATA = "/api/"
_LOOKING = ("GET", "HEAD")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """The guard of one start of the program. `port`: the port that it listens on, once it does."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self.port = 0

    @property
    def address(self) -> str:
        """The address of the page, without the token."""
        return f"http://{HOST}:{self.port}/"

    def refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Return the status and the message with which a request is refused, None where it is allowed."""
        if request.headers.getall("Host", []) not in [[f"{name}:{self.port}"] for name in _NAMES]:
            return 403, f"wrong host name: use {self.address}"
        origin = request.headers.get("Origin")
        if origin is None and request.method not in _LOOKING:
            return 403, "only the page may send this: the request has no `Origin` of it"
        if origin is not None and origin not in [f"http://{name}:{self.port}" for name in _NAMES]:
            return 403, "requests from other pages are not allowed"
        if request.path.startswith(DATA) and not self._has_token(request):
            return 401, "missing token: open the address that `orchestrator ui` printed"
        return None

    def _has_token(self, request: web.Request) -> bool:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        return kind == "Bearer" and hmac.compare_digest(given.encode(), self.token.encode())


def letting_in(guard: Guard) -> Middleware:
    """Return the middleware that checks requests, and adds our headers to each response."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = guard.refusal(request)
        if refused is not None:
            answer: web.StreamResponse = web.json_response({"error": refused[1], "advice": ""}, status=refused[0])
        else:
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                answer = web.json_response({"error": error.reason, "advice": ""}, status=error.status)
        if not answer.prepared:
            answer.headers.update(HEADERS)
        return answer

    return middleware
