"""The way in: one connection to an installation for the length of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.cloud.credentials import token_source
from orchestrator.cloud.directory import HttpDirectory
from orchestrator.cloud.endpoints import STORAGE, Endpoints, discover
from orchestrator.cloud.functions import HttpFunctions, HttpOperations
from orchestrator.cloud.http import HttpClient
from orchestrator.cloud.proxies import is_loopback
from orchestrator.cloud.transport import open_transport
from orchestrator.cloud.wording import facts
from orchestrator.errors import CloudError, StartError
from orchestrator.model import CloudAddress
from orchestrator.resilience.retry import retry_until


@dataclass(frozen=True, slots=True)
class Connection:
    """The ports of the cloud over HTTP. `token` gives a living IAM token, for Object Storage as bearer; `renew`
    another than the one that was refused (the same, where it is fixed).

    `warnings` are sentences for people, to be shown once.
    """

    endpoint: str
    functions: HttpFunctions
    operations: HttpOperations
    directory: HttpDirectory
    client: HttpClient
    token: Callable[[], Awaitable[str]]
    renew: Callable[[str], Awaitable[str]]
    endpoints: Endpoints
    warnings: tuple[str, ...] = ()

    @property
    def storage_endpoint(self) -> str:
        """The URL of Object Storage (S3). Raises `StartError` where the installation has none."""
        return self.endpoints.url(STORAGE)


@asynccontextmanager
async def connect(
    address: CloudAddress,
    environ: Mapping[str, str],
    *,
    version: str,
    overrides: Mapping[str, str] | None = None,
    patience_s: float = 0.0,
) -> AsyncIterator[Connection]:
    """Discover the services and get a first token, so that what is wrong shows before anything is sent.

    `overrides`: service id → base URL, instead of the discovered one. `patience_s`: how long an answer that may come is
    waited for. Raises `StartError` (exit 6) on entering.
    """
    async with open_transport(environ, version=version) as transport:
        endpoints = await discover(transport, address.endpoint, overrides, patience_s=patience_s)
        tokens = token_source(environ, transport, endpoints)
        try:
            await retry_until(tokens.token, for_s=patience_s)
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
            endpoints=endpoints,
            warnings=(*tokens.warnings, *_clear_text(endpoints.endpoint)),
        )


def _clear_text(endpoint: str) -> tuple[str, ...]:
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return ()
    return (f"{endpoint} is not https: tokens and packages travel in clear",)
