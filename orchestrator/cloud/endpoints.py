"""Discovery: the address of each service of an installation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orchestrator.cloud.transport import Transport
from orchestrator.cloud.wording import facts
from orchestrator.errors import CloudError, StartError
from orchestrator.resilience.retry import retry_until

FUNCTIONS = "serverless-functions"
OPERATION = "operation"
IAM = "iam"
RESOURCE_MANAGER = "resource-manager"
QUOTA_MANAGER = "quota-manager"
LOCKBOX = "lockbox"
STORAGE = "storage"  # S3; `storage-api` manages buckets
NEEDED = (FUNCTIONS, OPERATION)  # without these nothing can be deployed

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
_DEFAULT_PORTS = {"https": "443", "http": "80"}
_CHECK = (
    "check --endpoint / [cloud] endpoint (the real cloud is https://api.cloud.yandex.net), and HTTPS_PROXY / NO_PROXY"
)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The services of one installation: ID → base URL without a trailing slash."""

    endpoint: str
    urls: Mapping[str, str]

    def offers(self, service: str) -> bool:
        return service in self.urls

    def url(self, service: str) -> str:
        """Return the base URL of a service. Raises `StartError` if the installation does not offer it."""
        self.require(service)
        return self.urls[service]

    def require(self, *services: str) -> None:
        """Raise `StartError` that names all missing services."""
        missing = [service for service in services if service not in self.urls]
        if missing:
            raise StartError(
                f"the endpoint {self.endpoint} does not list the service{'s' if len(missing) > 1 else ''} "
                f"{', '.join(missing)}",
                advice=_CHECK,
            )


def clean_endpoint(endpoint: str, *, example: str = "https://api.cloud.yandex.net", check: str = "--endpoint") -> str:
    """Strip the slash from the end of an endpoint. Raises `StartError` if it is not an http(s) URL of a host. `check`:
    where it is set.
    """
    clean = endpoint.strip().rstrip("/")
    try:
        parts = urlsplit(clean)
        sound = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        sound = False
    if not sound or parts.username or parts.query or parts.fragment:
        raise StartError(f"the endpoint {endpoint} is not a URL such as {example}", advice=f"check {check}")
    return clean


async def discover(
    transport: Transport,
    endpoint: str,
    overrides: Mapping[str, str] | None = None,
    *,
    patience_s: float = 0.0,
    waits: Callable[[float, str], None] = lambda _seconds, _why: None,
) -> Endpoints:
    """Send `GET {endpoint}/endpoints`, and retry for `patience_s`. `overrides`: service ID → base URL, instead of the
    answer. `waits`: called for long waits.

    Raises `StartError` if the endpoint cannot be reached, answers nonsense, or lacks what every run needs.
    """
    endpoint = clean_endpoint(endpoint)
    try:
        answer = await retry_until(
            lambda: transport.request("GET", f"{endpoint}/endpoints", name="list endpoints"),
            for_s=patience_s,
            waits=waits,
        )
    except CloudError as error:
        raise StartError(
            f"the endpoint {endpoint} returned no list of services: {error.message}{facts(error)}",
            advice=error.advice or _CHECK,
        ) from error
    urls = _read(answer.json, endpoint)
    urls.update({service: clean_endpoint(url) for service, url in (overrides or {}).items()})
    found = Endpoints(endpoint, urls)
    found.require(*NEEDED)
    return found


def _read(json: Mapping[str, Any], endpoint: str) -> dict[str, str]:
    scheme = urlsplit(endpoint).scheme
    entries = json.get("endpoints")
    if not isinstance(entries, list) or not entries:
        raise StartError(f"the endpoint {endpoint} did not return a list of services", advice=_CHECK)
    urls: dict[str, str] = {}
    for entry in entries:
        service, address = (entry.get("id"), entry.get("address")) if isinstance(entry, dict) else (None, None)
        if not isinstance(service, str) or not isinstance(address, str):
            raise StartError(f"the endpoint {endpoint} lists a service without id or address", advice=_CHECK)
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise StartError(
                f"the endpoint {endpoint} returned an invalid address for {service}: {address[:80]!r}", advice=_CHECK
            )
        port = match["port"]
        urls[service] = f"{scheme}://{match['host']}" + (f":{port}" if port and port != _DEFAULT_PORTS[scheme] else "")
    return urls
