"""Which credentials are used, and where each requests its token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest
from aiohttp import web

from orchestrator.cloud.connect import token_source
from orchestrator.cloud.endpoints import Endpoints
from orchestrator.cloud.tokens import CachedToken, FixedToken, TokenSource
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError, Code, StartError
from tests.flow.httpserver import VERSION, Handler, Seen, answer, endpoints_at, serving
from tests.flow.test_iam_keys import RSA, key_json

NOW = 1_791_966_480.0  # 2026-10-14T08:28:00Z
DATE = "Wed, 14 Oct 2026 08:28:00 GMT"
ISSUED = {"iamToken": "t1.issued", "expiresAt": "2026-10-14T20:28:00.123456789Z"}


def issue(_seen: Seen) -> web.Response:
    return answer(ISSUED, 200, {"Date": DATE})


def choose(environ: Mapping[str, str]) -> TokenSource:
    async def main() -> TokenSource:
        async with open_transport({}, version=VERSION) as transport:
            return token_source(environ, transport, endpoints_at("http://iam.test"))

    return anyio.run(main)


def ask(environ: Mapping[str, str], handler: Handler, times: int = 1) -> tuple[str, list[Seen]]:
    """Request tokens; "{address}" in a value of `environ` is the server's."""

    async def main() -> tuple[str, list[Seen]]:
        async with serving(handler) as server, open_transport({}, version=VERSION, clock=lambda: NOW) as transport:
            address = server.url.partition("://")[2]
            filled = {name: value.replace("{address}", address) for name, value in environ.items()}
            source = token_source(filled, transport, endpoints_at(server.url))
            tokens = [await source.token() for _ in range(times)]
            return tokens[-1], server.seen

    return anyio.run(main)


ORDER: list[tuple[dict[str, str], str]] = [
    ({"YC_IAM_TOKEN": "t1.a", "YC_TOKEN": "t1.b", "YC_SERVICE_ACCOUNT_KEY_FILE": "/none"}, "YC_IAM_TOKEN"),
    ({"YC_IAM_TOKEN": " ", "YC_TOKEN": "t1.b\n", "YC_SERVICE_ACCOUNT_KEY_FILE": "/none"}, "YC_TOKEN"),
    ({"YC_TOKEN": "y0_abc", "YC_SERVICE_ACCOUNT_KEY_FILE": "/none"}, "the OAuth token of YC_TOKEN"),
    ({"YC_SERVICE_ACCOUNT_KEY_FILE": key_json()}, "the key in YC_SERVICE_ACCOUNT_KEY_FILE"),
    ({}, "the metadata service at 169.254.169.254 (no other credentials are set)"),
    ({"YC_METADATA_ADDR": "10.0.0.1:80"}, "the metadata service at 10.0.0.1:80 (no other credentials are set)"),
]


@pytest.mark.parametrize(("environ", "origin"), ORDER)
def test_credentials_are_taken_in_the_published_order(environ: dict[str, str], origin: str) -> None:
    assert choose(environ).origin == origin


def test_an_iam_token_in_yc_token_is_fixed() -> None:
    source = choose({"YC_TOKEN": "t1.b\n"})
    assert isinstance(source, FixedToken)
    assert anyio.run(source.token) == "t1.b"


def test_an_oauth_token_is_exchanged_with_a_warning() -> None:
    token, seen = ask({"YC_TOKEN": "y0_abc"}, issue)
    assert token == "t1.issued"
    assert [(item.method, item.path, item.body) for item in seen] == [
        ("POST", "/iam/v1/tokens", {"yandexPassportOauthToken": "y0_abc"})
    ]
    assert "Authorization" not in seen[0].headers
    assert "end of 2026" in choose({"YC_TOKEN": "y0_abc"}).warnings[0]


def test_a_key_is_exchanged_for_a_token_with_a_jwt(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(key_json(), encoding="utf-8")
    token, seen = ask({"YC_SERVICE_ACCOUNT_KEY_FILE": str(path)}, issue, times=3)
    assert token == "t1.issued"
    assert [(item.method, item.path, list(item.body)) for item in seen] == [("POST", "/iam/v1/tokens", ["jwt"])]
    audience = f"http://{seen[0].headers['Host']}/iam/v1/tokens"
    claims = jwt.decode(
        seen[0].body["jwt"], RSA.public_key(), algorithms=["PS256"], audience=audience, issuer="ajes",
        options={"verify_exp": False, "verify_iat": False},
    )  # fmt: skip
    assert (claims["iat"], claims["exp"]) == (NOW, NOW + 3600)


@pytest.mark.parametrize(
    ("iam", "audience"),
    [
        ("https://iam.api.cloud.yandex.net", "https://iam.api.cloud.yandex.net/iam/v1/tokens"),
        ("https://iam.api.yandexcloud.kz:8443", "https://iam.api.yandexcloud.kz:8443/iam/v1/tokens"),
    ],
)
def test_the_audience_follows_the_installation(iam: str, audience: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> dict[str, Any]:
        async with open_transport({}, version=VERSION) as transport:
            sent: list[Any] = []

            async def request(_method: str, url: str, **options: Any) -> None:
                sent.append((url, options["body"]))
                raise CloudError("stop", call="")

            monkeypatch.setattr(transport, "request", request)
            source = token_source({"YC_SERVICE_ACCOUNT_KEY_FILE": key_json()}, transport, Endpoints("", {"iam": iam}))
            with pytest.raises(CloudError):
                await source.token()
            assert sent[0][0] == audience
            claims: dict[str, Any] = jwt.decode(sent[0][1]["jwt"], options={"verify_signature": False})
            return claims

    assert anyio.run(main)["aud"] == audience


def test_the_jwt_is_dated_by_the_server_s_clock() -> None:
    async def main() -> int:
        async with serving(issue) as server, open_transport({}, version=VERSION, clock=lambda: NOW - 7200) as transport:
            await transport.request("GET", f"{server.url}/endpoints", name="list endpoints")
            await token_source({"YC_SERVICE_ACCOUNT_KEY_FILE": key_json()}, transport, endpoints_at(server.url)).token()
            issued_at: int = jwt.decode(server.seen[1].body["jwt"], options={"verify_signature": False})["iat"]
            return issued_at

    assert anyio.run(main) == NOW


def test_a_token_without_expiry_is_taken_to_live_an_hour() -> None:
    ours = [NOW]

    async def main() -> list[int]:
        calls = []
        async with (
            serving(lambda _: answer({"iamToken": "t1.a"}, 200, {"Date": DATE})) as server,
            open_transport({}, version=VERSION, clock=lambda: ours[0]) as transport,
        ):
            source = token_source({"YC_TOKEN": "y0_a"}, transport, endpoints_at(server.url))
            for step_s in (0, 3200, 50):
                ours[0] += step_s
                await source.token()
                calls.append(len(server.seen))
        return calls

    assert anyio.run(main) == [1, 1, 2]


def test_a_refused_key_is_an_unauthenticated_error() -> None:
    def refuse(_seen: Seen) -> web.Response:
        return answer({"code": 16, "message": "Unable to validate key"}, 401)

    with pytest.raises(CloudError, match="Unable to validate key") as caught:
        ask({"YC_SERVICE_ACCOUNT_KEY_FILE": key_json()}, refuse)
    assert (caught.value.code, caught.value.sent) == (Code.UNAUTHENTICATED, False)


@pytest.mark.parametrize("body", [{}, {"iamToken": ""}, {"iamToken": 7}, {"iamToken": "t1.a\nb"}])
def test_an_exchange_without_a_token_is_an_error(body: dict[str, Any]) -> None:
    with pytest.raises(CloudError, match="has no iamToken"):
        ask({"YC_TOKEN": "y0_a"}, lambda _: answer(body))


def test_the_metadata_service_is_asked_as_it_wants() -> None:
    def handle(seen: Seen) -> web.Response:
        assert seen.headers["Metadata-Flavor"] == "Google"
        return answer({"access_token": "t1.meta", "expires_in": 39944, "token_type": "Bearer"})

    token, seen = ask({"YC_METADATA_ADDR": "{address}"}, handle, times=2)
    assert token == "t1.meta"
    assert [(item.method, item.path) for item in seen] == [
        ("GET", "/computeMetadata/v1/instance/service-accounts/default/token")
    ]


def test_the_metadata_token_is_renewed_before_it_ends() -> None:
    ours = [NOW]
    counted: list[int] = []

    def handle(_seen: Seen) -> web.Response:
        counted.append(1)
        return answer({"access_token": f"t1.{len(counted)}", "expires_in": "600"}, 200, {"Date": DATE})

    async def main() -> list[str]:
        async with serving(handle) as server, open_transport({}, version=VERSION, clock=lambda: ours[0]) as transport:
            environ = {"YC_METADATA_ADDR": server.url}
            source = token_source(environ, transport, endpoints_at(server.url))
            tokens = [await source.token()]
            for step_s in (500, 45):
                ours[0] += step_s
                tokens.append(await source.token())
            return tokens

    assert anyio.run(main) == ["t1.1", "t1.1", "t1.2"]


@pytest.mark.parametrize("value", ["t1.a b", "t1.a\nb", "t1.é"])
def test_what_is_no_token_is_refused_before_it_is_sent(value: str) -> None:
    with pytest.raises(StartError, match="YC_IAM_TOKEN is not a token"):
        choose({"YC_IAM_TOKEN": value})


def test_an_installation_without_iam_is_named() -> None:
    async def main() -> None:
        async with open_transport({}, version=VERSION) as transport:
            await token_source({"YC_TOKEN": "y0_a"}, transport, Endpoints("http://here", {})).token()

    with pytest.raises(StartError, match="http://here does not list the service iam"):
        anyio.run(main)


def test_a_source_does_not_show_its_secret() -> None:
    shown = json.dumps([repr(choose({"YC_TOKEN": "y0_abc"})), repr(choose({"YC_IAM_TOKEN": "t1.abc"}))])
    assert not any(secret in shown for secret in ("y0_abc", "t1.abc"))
    assert isinstance(choose({"YC_TOKEN": "y0_abc"}), CachedToken)
