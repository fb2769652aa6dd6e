"""Who is let in: whoever has the token of this start, from a page of ours, under a name of ours.

| a request                                                   | answer                        |
| ---                                                         | ---                           |
| under another `Host` than ours (a name that leads here)     | 403                           |
| with the `Origin` of another page, whatever it asks         | 403                           |
| of a script, a style, the page itself: they hold no data    | given                         |
| of data, without the token in `Authorization: Bearer`       | 401                           |
| of data, with it                                            | given                         |
| that changes something (POST), without an `Origin` of ours  | 403                           |

The token is in no cookie, which every server of this machine would be sent, and in no address that is asked for: the
fragment of the page's own address is not sent. So no other page can make a browser send it.
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
    """Of one start of the program. `port`: that it listens on, known once it does."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self.port = 0

    @property
    def address(self) -> str:
        """Where the page is, without the token."""
        return f"http://{HOST}:{self.port}/"

    def refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Give the status and the sentence with which a request is refused, None where it is let in."""
        if request.headers.getall("Host", []) not in [[f"{name}:{self.port}"] for name in _NAMES]:
            return 403, f"this is {self.address}, and answers under that name alone"
        origin = request.headers.get("Origin")
        if origin is None and request.method not in _LOOKING:
            return 403, "this is for the page alone: a browser says with `Origin` which one asks"
        if origin is not None and origin not in [f"http://{name}:{self.port}" for name in _NAMES]:
            return 403, "another page may not ask this one's server"
        if request.path.startswith(DATA) and not self._has_token(request):
            return 401, "this needs the token of the address that `orchestrator ui` has printed"
        return None

    def _has_token(self, request: web.Request) -> bool:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        return kind == "Bearer" and hmac.compare_digest(given.encode(), self.token.encode())


def letting_in(guard: Guard) -> Middleware:
    """Make the middleware that lets requests in, and puts our headers on each answer."""

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
