"""How the sandbox issues tokens, and which it accepts."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from orchestrator.sandbox.http.server import Sandbox
from tests.clouds import FOLDER
from tests.contract.calling import FUNCTIONS, Caller, serve


def _signed(sandbox: Sandbox, algorithm: str = "PS256", **claims: Any) -> str:
    now = int(time.time())
    account = sandbox.key["service_account_id"]
    reported = {"iss": account, "aud": f"{sandbox.url}/iam/v1/tokens", "iat": 0, "exp": 3600, **claims}
    # Times are relative to now: absolute ones would be outdated when the test runs.
    reported |= {name: reported[name] + now for name in ("iat", "exp") if reported[name] is not None}
    return jwt.encode(reported, sandbox.key["private_key"], algorithm=algorithm, headers={"kid": sandbox.key["id"]})


def test_a_jwt_of_the_authorized_key_gives_a_token_that_is_accepted() -> None:
    async def main(caller: Caller) -> None:
        answer = await caller.ask("POST", "/iam/v1/tokens", {"jwt": _signed(caller.sandbox)}, {"Authorization": ""})
        assert answer.status == 200
        assert answer.json["expiresAt"].endswith("Z")
        bearer = {"Authorization": f"Bearer {answer.json['iamToken']}"}
        assert (await caller.ask("GET", f"{FUNCTIONS}?folderId={FOLDER}", headers=bearer)).status == 200

    serve(main)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://elsewhere/iam/v1/tokens"}, "aud must be"),
        ({"iss": "ajesomebodyelse"}, "iss is not"),
        ({"exp": 3700}, "exp - iat exceeds 3600 s"),
        ({"iat": -7200, "exp": -3600}, "expired"),
        ({"iat": 600, "exp": 1200}, "future"),
        ({"exp": None}, "exp"),
        ({"algorithm": "RS256"}, "alg"),
    ],
)
def test_a_jwt_that_breaks_a_rule_is_refused(claims: dict[str, Any], why: str) -> None:
    async def main(caller: Caller) -> None:
        answer = await caller.ask("POST", "/iam/v1/tokens", {"jwt": _signed(caller.sandbox, **claims)})
        assert (answer.status, answer.json["code"]) == (401, 16)
        assert why in answer.json["message"]

    serve(main)


@pytest.mark.parametrize("sent", [{}, {"jwt": "a", "yandexPassportOauthToken": "b"}, {"password": "x"}, None])
def test_a_token_is_asked_for_in_one_way(sent: Any) -> None:
    async def main(caller: Caller) -> None:
        assert (await caller.ask("POST", "/iam/v1/tokens", sent)).json["code"] == 3

    serve(main)


def test_an_oauth_token_counts_only_if_it_was_seeded() -> None:
    async def main(caller: Caller) -> None:
        sent = {"yandexPassportOauthToken": "y0_seeded"}
        assert (await caller.ask("POST", "/iam/v1/tokens", sent)).status == 401
        caller.sandbox.tokens.oauth_tokens.add("y0_seeded")
        assert (await caller.ask("POST", "/iam/v1/tokens", sent)).json["iamToken"].startswith("t1.")

    serve(main)


def test_the_metadata_service_wants_its_header() -> None:
    async def main(caller: Caller) -> None:
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        assert (await caller.ask("GET", path)).status == 403
        answer = await caller.ask("GET", path, headers={"Metadata-Flavor": "Google"})
        assert (answer.json["token_type"], answer.json["expires_in"] > 40_000) == ("Bearer", True)
        assert caller.sandbox.tokens.subject(answer.json["access_token"])

    serve(main)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer t1.x.y", "Bearer t1.ü.y", "Basic dTpw", "Bearer {dead}"])
def test_a_call_without_a_token_that_holds_is_refused(header: str) -> None:
    async def main(caller: Caller) -> None:
        dead, _ = caller.sandbox.tokens.issue("aje", lifetime_s=-1)
        authorization = {"Authorization": header.format(dead=dead)}
        for path in (f"{FUNCTIONS}?folderId={FOLDER}", "/operations/d4e", "/lockbox/v1/secrets", "/iam/v1/elsewhere"):
            answer = await caller.ask("GET", path, headers=authorization)
            assert (answer.status, answer.json["code"]) == (401, 16)

    serve(main)


def test_a_token_lives_as_long_as_it_was_reported() -> None:
    now = [1_800_000_000.0]

    async def main(caller: Caller) -> None:
        token, _ = caller.sandbox.tokens.issue("aje")
        assert caller.sandbox.tokens.subject(token) == "aje"
        now[0] += 60
        assert caller.sandbox.tokens.subject(token) is None

    serve(main, token_lifetime_s=60, clock=lambda: now[0])


def test_a_token_is_valid_for_twelve_hours_by_default() -> None:
    async def main(caller: Caller) -> None:
        _, expires_at = caller.sandbox.tokens.issue("aje")
        assert expires_at == 1_800_000_000.0 + 12 * 3600

    serve(main, clock=lambda: 1_800_000_000.0)
