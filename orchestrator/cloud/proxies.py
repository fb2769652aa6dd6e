"""Which proxy leads to a host, from the environment.

aiohttp can do this itself (`trust_env`), but asks a thread twice for every call and mixes in ~/.netrc, whose entries
contradict our own Authorization header. Here it is settled once per host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.request import proxy_bypass_environment

from yarl import URL

from orchestrator.errors import StartError


def proxy_for(url: URL, environ: Mapping[str, str]) -> URL | None:
    """Read `HTTPS_PROXY` / `HTTP_PROXY` and `NO_PROXY` (small letters win, as in curl). Loopback is never proxied.

    Raises `StartError` for a proxy of another kind than http and https.
    """
    host = url.host or ""
    name = f"{url.scheme}_proxy"
    value = environ.get(name) or environ.get(name.upper()) or ""
    bypass = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if not value or _is_loopback(host) or proxy_bypass_environment(f"{host}:{url.port}", {"no": bypass}):
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


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
