"""Proxies and certificates from the environment."""

from __future__ import annotations

import base64
import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from yarl import URL

from orchestrator.cloud.answers import Answer
from orchestrator.cloud.proxies import proxy_for
from orchestrator.cloud.transport import open_transport
from orchestrator.errors import CloudError, StartError
from tests.flow.httpserver import VERSION, answer, raw_serving, serving

HOST = "functions.example.test"

CHOICES: list[tuple[str, dict[str, str], str, str | None]] = [
    ("none", {}, f"https://{HOST}", None),
    ("https", {"HTTPS_PROXY": "http://p:3128"}, f"https://{HOST}", "http://p:3128"),
    ("http is another matter", {"HTTP_PROXY": "http://p:3128"}, f"https://{HOST}", None),
    ("small letters win", {"HTTPS_PROXY": "http://a", "https_proxy": "http://b"}, f"https://{HOST}", "http://b"),
    ("no scheme", {"HTTPS_PROXY": "p:3128"}, f"https://{HOST}", "http://p:3128"),
    ("empty", {"HTTPS_PROXY": ""}, f"https://{HOST}", None),
    ("excepted", {"HTTPS_PROXY": "http://p", "NO_PROXY": f"x.test, {HOST}"}, f"https://{HOST}", None),
    ("excepted domain", {"HTTPS_PROXY": "http://p", "NO_PROXY": ".example.test"}, f"https://{HOST}", None),
    ("excepted without dot", {"HTTPS_PROXY": "http://p", "no_proxy": "example.test"}, f"https://{HOST}", None),
    ("excepted with star", {"HTTPS_PROXY": "http://p", "no_proxy": "*.example.test"}, f"https://{HOST}", None),
    ("all excepted", {"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, f"https://{HOST}", None),
    ("excepted port", {"HTTPS_PROXY": "http://p", "NO_PROXY": f"{HOST}:443"}, f"https://{HOST}", None),
    ("other port excepted", {"HTTPS_PROXY": "http://p", "NO_PROXY": f"{HOST}:1"}, f"https://{HOST}", "http://p"),
    ("part of a name", {"HTTPS_PROXY": "http://p", "NO_PROXY": "ample.test"}, f"https://{HOST}", "http://p"),
    ("excepted network", {"HTTP_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, "http://10.1.2.3", None),
    ("loopback", {"HTTP_PROXY": "http://p"}, "http://127.0.0.1:8080", None),
    ("loopback 6", {"HTTP_PROXY": "http://p"}, "http://[::1]:8080", None),
    ("localhost", {"HTTP_PROXY": "http://p"}, "http://localhost:8080", None),
]


@pytest.mark.parametrize(("environ", "url", "proxy"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])
def test_the_proxy_is_the_environment_s(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert proxy_for(URL(url), environ) == (None if proxy is None else URL(proxy))


@pytest.mark.parametrize("value", ["socks5://user:secret@p:1080", "http://", "http://p:port"])
def test_a_proxy_of_another_kind_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(StartError, match="HTTPS_PROXY names a proxy that cannot be used") as caught:
        proxy_for(URL(f"https://{HOST}"), {"HTTPS_PROXY": value})
    assert "secret" not in caught.value.message + caught.value.advice


async def get(environ: Mapping[str, str], url: str) -> Answer:
    async with open_transport(environ, version=VERSION) as transport:
        return await transport.request("GET", url, name="get function", total_limit_s=20.0)


def test_plain_http_goes_through_the_proxy_whole() -> None:
    async def main() -> tuple[str, str]:
        async with serving(lambda _: answer({"via": "proxy"})) as proxy:
            await get({"HTTP_PROXY": proxy.url}, f"http://{HOST}/x")
            return proxy.seen[0].path, proxy.seen[0].headers["Host"]

    assert anyio.run(main) == (f"http://{HOST}/x", HOST)


@asynccontextmanager
async def tunnel(port: int, heard: list[bytes], refusal: bytes = b"") -> AsyncIterator[str]:
    """A CONNECT proxy that leads to one port of this machine, whatever name is requested."""

    async def talk(client: SocketStream) -> None:
        heard.append(await client.receive())
        if refusal:
            await client.send(refusal)
            return
        async with await anyio.connect_tcp("127.0.0.1", port) as service, anyio.create_task_group() as tasks:
            await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            tasks.start_soon(pump, service, client)
            await pump(client, service)
            tasks.cancel_scope.cancel()

    async with raw_serving(talk) as url:
        yield url


async def pump(source: SocketStream, sink: SocketStream) -> None:
    try:
        async for chunk in source:
            await sink.send(chunk)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS context for HOST and loopback, and the file that makes it trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "ca.pem", folder / "key.pem"
    trusted.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted


def test_https_goes_through_a_tunnel_with_the_proxy_s_password(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def main() -> Answer:
        tls, trusted = certificate(tmp_path)
        async with serving(lambda _: answer({"id": "x"}), tls=tls) as server, tunnel(server.port, heard) as proxy:
            environ = {"HTTPS_PROXY": proxy.replace("//", "//me:pass@"), "SSL_CERT_FILE": str(trusted)}
            return await get(environ, f"https://{HOST}/x")

    assert anyio.run(main).json == {"id": "x"}
    assert heard[0].startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n".encode())
    assert b"Basic " + base64.b64encode(b"me:pass") in heard[0]


def test_no_proxy_leads_past_the_proxy() -> None:
    async def main() -> CloudError:
        async with serving(lambda _: answer({})) as proxy:
            with pytest.raises(CloudError) as caught:
                await get(
                    {"HTTP_PROXY": proxy.url, "NO_PROXY": "example.invalid"}, "http://functions.example.invalid/x"
                )
            assert proxy.seen == []
            return caught.value

    assert "cannot be found" in anyio.run(main).message


def test_a_proxy_that_refuses_was_never_asked_for_the_call() -> None:
    async def main() -> CloudError:
        refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        async with tunnel(1, [], refusal) as proxy:
            with pytest.raises(CloudError) as caught:
                await get({"HTTPS_PROXY": proxy.replace("//", "//me:pass@")}, f"https://{HOST}/x")
            return caught.value

    error = anyio.run(main)
    assert not error.sent
    assert f"refused to connect to {HOST}:443: HTTP 407 Proxy Authentication Required" in error.message
    assert "pass" not in error.message
    assert (error.__cause__, error.__suppress_context__) == (None, True)  # aiohttp's own text has the password


def test_a_proxy_that_is_away_is_named() -> None:
    async def main() -> CloudError:
        with pytest.raises(CloudError) as caught:
            await get({"HTTPS_PROXY": "http://me:pass@127.0.0.1:1"}, f"https://{HOST}/x")
        return caught.value

    error = anyio.run(main)
    assert (error.sent, error.message) == (False, "no connection to the proxy 127.0.0.1:1: connection refused")


def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    async def main() -> CloudError:
        async with serving(lambda _: answer({}), tls=certificate(tmp_path)[0]) as server:
            with pytest.raises(CloudError) as caught:
                await get({}, server.url)
            return caught.value

    error = anyio.run(main)
    assert not error.sent
    assert "is not trusted: self-signed certificate" in error.message
    assert "SSL_CERT_FILE" in error.advice


@pytest.mark.parametrize(("content", "part"), [(None, "No such file"), ("nothing", "has no certificate")])
def test_an_unusable_certificate_file_is_a_start_error(tmp_path: Path, content: str | None, part: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(StartError, match=f"ca.pem cannot be read: .*{part}"):
        anyio.run(get, {"SSL_CERT_FILE": str(path)}, "http://127.0.0.1:1")
