"""The entry point: one connection to an installation for the length of a run, with the available credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from orchestrator.cloud.answers import Answer, unusable
from orchestrator.cloud.bounds import TOKEN_ANSWER_MAX_BYTES
from orchestrator.cloud.endpoints import IAM, STORAGE, Endpoints, discover
from orchestrator.cloud.functions import HttpDirectory, HttpFunctions, HttpOperations
from orchestrator.cloud.http import HttpClient
from orchestrator.cloud.invocations import INVOKE_ENDPOINT, HttpInvocations, ToldInvocations
from orchestrator.cloud.keys import AuthorizedKey, load_key
from orchestrator.cloud.proxies import is_loopback
from orchestrator.cloud.tokens import CachedToken, FixedToken, Issued, TokenSource
from orchestrator.cloud.transport import Transport, open_transport
from orchestrator.cloud.wording import facts
from orchestrator.errors import CloudError, StartError
from orchestrator.model import CloudAddress
from orchestrator.model.decode import number, timestamp
from orchestrator.ports import Invocations
from orchestrator.resilience.retry import retry_until


@dataclass(frozen=True, slots=True)
class Connection:
    """The ports of the cloud over HTTP. `token` returns a valid IAM token, which Object Storage accepts as bearer.
    `renew` returns a different one than the one that was refused (the same, if it is fixed).

    `account`: the service account of the credentials, "" if it is not known. `warnings`: sentences for people, to be
    shown once. `invocations`: calls Functions at the given invoke endpoint.
    """

    endpoint: str
    functions: HttpFunctions
    operations: HttpOperations
    directory: HttpDirectory
    client: HttpClient
    token: Callable[[], Awaitable[str]]
    renew: Callable[[str], Awaitable[str]]
    invocations: Callable[[str], HttpInvocations]
    endpoints: Endpoints
    account: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def storage_endpoint(self) -> str:
        """The URL of Object Storage (S3). Raises `StartError` if the installation has none."""
        return self.endpoints.url(STORAGE)

    def calls(self, invoke_endpoint: str | None) -> Invocations:
        """Return the caller of Functions: at the declared endpoint, else at the real cloud's own. For another
        installation, its answer for each Function decides. Raises `StartError` for an endpoint that is not a URL.
        """
        if invoke_endpoint is None and self.endpoint != CloudAddress().endpoint:
            return ToldInvocations(self.functions.get_function, self.invocations, self.endpoint)
        return self.invocations(invoke_endpoint or INVOKE_ENDPOINT)


@asynccontextmanager
async def connect(
    address: CloudAddress,
    environ: Mapping[str, str],
    *,
    version: str,
    overrides: Mapping[str, str] | None = None,
    patience_s: float = 0.0,
    waits: Callable[[float, str], None] = lambda _seconds, _why: None,
) -> AsyncIterator[Connection]:
    """Discover the services and get a first token, so that problems show before anything is sent.

    `overrides`: service ID → base URL, instead of the discovered one. `patience_s`: how long to wait for an answer that
    may still come. `waits`: called for long waits. Raises `StartError` (exit 6) on entering.
    """
    async with open_transport(environ, version=version) as transport:
        endpoints = await discover(transport, address.endpoint, overrides, patience_s=patience_s, waits=waits)
        tokens = token_source(environ, transport, endpoints)
        try:
            await retry_until(tokens.token, for_s=patience_s, waits=waits)
        except CloudError as error:
            raise StartError(
                f"no IAM token from {tokens.origin}: {error.message}{facts(error)}", advice=tokens.advice
            ) from error
        client = HttpClient(transport, endpoints, tokens)
        yield Connection(
            endpoint=endpoints.endpoint,
            functions=HttpFunctions(client),
            operations=HttpOperations(client),
            directory=HttpDirectory(client),
            client=client,
            token=tokens.token,
            renew=tokens.renew,
            invocations=partial(HttpInvocations, transport, tokens),
            endpoints=endpoints,
            account=tokens.account,
            warnings=(*tokens.warnings, *_clear_text(endpoints.endpoint)),
        )


def _clear_text(endpoint: str) -> tuple[str, ...]:
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return ()
    return (f"{endpoint} is not https: tokens and packages are sent unencrypted",)


METADATA_ADDRESS = "169.254.169.254"  # link-local: the same on every virtual machine and in every function
_METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
_UNKNOWN_LIFE_S = 3600.0  # used if the answer has no readable expiresAt
_FOUR_WAYS = (
    "set one of YC_IAM_TOKEN (an IAM token, `yc iam create-token`), YC_TOKEN (an IAM or OAuth token), "
    "YC_SERVICE_ACCOUNT_KEY_FILE (an authorized key, `yc iam key create`). Or run on a machine or function with a "
    "service account, whose metadata service issues tokens (YC_METADATA_ADDR sets its address). To try it without a "
    "cloud, add --sandbox"
)
_OAUTH_WARNING = (
    "YC_TOKEN is an OAuth token: the cloud stops accepting these by the end of 2026; "
    "use an authorized key (YC_SERVICE_ACCOUNT_KEY_FILE)"
)


def token_source(environ: Mapping[str, str], transport: Transport, endpoints: Endpoints) -> TokenSource:
    """Choose by what is set: YC_IAM_TOKEN, YC_TOKEN, YC_SERVICE_ACCOUNT_KEY_FILE, else the metadata service.

    Sends no request yet. Raises `StartError` for a value or a key file that cannot be used.
    """
    found = {name: value for name in ("YC_IAM_TOKEN", "YC_TOKEN") if (value := environ.get(name, "").strip())}
    for name, value in found.items():
        _check_token(name, value)
        if name == "YC_IAM_TOKEN" or value.startswith("t1."):
            return FixedToken(value, name)
        return CachedToken(
            partial(_exchange, transport, endpoints, {"yandexPassportOauthToken": value}, value),
            now=transport.now,
            origin="the OAuth token of YC_TOKEN",
            advice="get another OAuth token, or use an authorized key (YC_SERVICE_ACCOUNT_KEY_FILE)",
            warnings=(_OAUTH_WARNING,),
        )
    if key_file := environ.get("YC_SERVICE_ACCOUNT_KEY_FILE", "").strip():
        key = load_key(key_file)
        return CachedToken(
            partial(_exchange_jwt, transport, endpoints, key),
            now=transport.now,
            origin=key.origin,
            account=key.service_account_id,
            advice="check that the key and its service account still exist, and this machine's clock",
        )
    address = environ.get("YC_METADATA_ADDR", "").strip() or METADATA_ADDRESS
    return CachedToken(
        partial(_ask_metadata, transport, address),
        now=transport.now,
        origin=f"the metadata service at {address} (no other credentials are set)",
        advice=_FOUR_WAYS,
    )


def _check_token(name: str, value: str) -> None:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise StartError(
            f"{name} is not a token: it has spaces, line breaks or non-ASCII characters",
            advice=f"set {name} to the token alone, as `yc iam create-token` prints it",
        )


async def _exchange_jwt(transport: Transport, endpoints: Endpoints, key: AuthorizedKey) -> Issued:
    signed = key.sign(f"{endpoints.url(IAM)}/iam/v1/tokens", transport.now())
    return await _exchange(transport, endpoints, {"jwt": signed}, signed)


async def _exchange(transport: Transport, endpoints: Endpoints, body: Mapping[str, str], secret: str) -> Issued:
    url = f"{endpoints.url(IAM)}/iam/v1/tokens"
    answer = await transport.request(
        "POST", url, name="create IAM token", body=body, secret=secret, answer_max_bytes=TOKEN_ANSWER_MAX_BYTES
    )
    expires_at = timestamp(answer.json.get("expiresAt"))
    life_s = expires_at.timestamp() - transport.now() if expires_at else _UNKNOWN_LIFE_S
    if life_s <= 0:  # a new token cannot have expired: one of the clocks is wrong
        life_s = _UNKNOWN_LIFE_S
    return _issued("create IAM token", answer, "iamToken", life_s)


async def _ask_metadata(transport: Transport, address: str) -> Issued:
    """Ask this machine's metadata service. Its `expires_in` is the rest of the token's life."""
    answer = await transport.request(
        "GET",
        (address if "://" in address else f"http://{address}") + _METADATA_PATH,
        name="metadata token",
        extra_headers={"Metadata-Flavor": "Google"},
        connect_limit_s=1.0,
        total_limit_s=5.0,
        direct=True,
        answer_max_bytes=TOKEN_ANSWER_MAX_BYTES,
    )
    left_s = number(answer.json.get("expires_in"))
    life_s = _UNKNOWN_LIFE_S if left_s is None else left_s
    return _issued("metadata token", answer, "access_token", life_s)


def _issued(call: str, answer: Answer, field: str, life_s: float) -> Issued:
    value = answer.json.get(field)
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise unusable(call, answer, f"the answer has no {field}")
    return Issued(value, max(life_s, 0.0))
