"""Which proxy leads to a host, from the environment.

aiohttp can do this itself (`trust_env`), but uses a thread twice for every call and reads ~/.netrc, whose entries
contradict our own Authorization header. Here it is determined once per host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from yarl import URL

from orchestrator.errors import StartError


def proxy_for(url: URL, environ: Mapping[str, str]) -> URL | None:
    """Read `HTTPS_PROXY` / `HTTP_PROXY` and `NO_PROXY` (lower case wins, as in curl). Loopback is never proxied.

    Raises `StartError` for a proxy that is not http or https.
    """
    host = url.host or ""
    name = f"{url.scheme}_proxy"
    value = environ.get(name) or environ.get(name.upper()) or ""
    bypass = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if not value or is_loopback(host) or _is_listed(host, url.port, bypass):
        return None
    try:
        proxy = URL(value if "://" in value else f"http://{value}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise StartError(
            f"{name.upper()} names a proxy that cannot be used (it must be http://HOST:PORT)",
            advice=f"set {name.upper()} to an HTTP proxy, or list {host} in NO_PROXY",
        )
    return proxy


def _is_listed(host: str, port: int | None, no_proxy: str) -> bool:
    """Look up a host in NO_PROXY: names (also of a parent domain), host:port, addresses, networks, or "*" for all."""
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        name = entry.removesuffix(f":{port}").removeprefix("*.").lstrip(".")
        if name and (entry == "*" or host == name or host.endswith(f".{name}") or _is_in(host, name)):
            return True
    return False


def _is_in(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
