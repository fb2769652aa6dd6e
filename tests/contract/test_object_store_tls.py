"""Uploads over TLS: whom they trust, and that they can be ended too."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from orchestrator.cloud.keys import StaticKeys
from orchestrator.cloud.s3 import client as s3_client
from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import CloudError
from orchestrator.model import StoredObject
from tests.contract.s3_servers import ACCESS_KEY, SECRET_KEY, answer, package, scripted

KEYS = StaticKeys(ACCESS_KEY, SECRET_KEY)


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """Return a context for 127.0.0.1, whose certificate is the file ca.pem."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "storage")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    (tmp_path / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    return context


def test_ssl_cert_file_is_trusted(tls: ssl.SSLContext, tmp_path: Path) -> None:
    what = package(tmp_path, 700_000)

    async def main(url: str) -> StoredObject:
        environ = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        async with S3ObjectStore(url, credentials=KEYS, environ=environ) as store:
            return await store.put_once("b", "k", what)

    with scripted(answer("200 OK", "", 'ETag: "0"'), tls=tls) as server:
        assert not anyio.run(main, server.url).existed
    assert server.headers()["x-amz-content-sha256"] == what.sha256
    assert server.headers()["content-length"] == "700000"


def test_a_certificate_that_is_not_trusted_is_an_error_before_sending(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async def main(url: str) -> CloudError:
        async with S3ObjectStore(url, credentials=KEYS, environ={}) as store:
            with pytest.raises(CloudError) as caught:
                await store.put_once("b", "k", package(tmp_path))
            return caught.value

    with scripted(tls=tls) as server:
        error = anyio.run(main, server.url)
    assert not error.sent
    assert "certificate verify failed" in error.message.lower()
    assert "SSL_CERT_FILE" in error.advice


def test_an_upload_over_tls_that_hangs_can_be_cancelled(
    tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "CONNECT_TIMEOUT_S", 1000)  # longer than this test may take
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 1000)
    what = package(tmp_path, 40_000_000)

    async def main(url: str, hanging: threading.Event) -> None:
        environ = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        async with S3ObjectStore(url, credentials=KEYS, environ=environ) as store:
            async with anyio.create_task_group() as group:
                group.start_soon(store.put_once, "b", "k", what)
                await to_thread.run_sync(hanging.wait, 30)
                group.cancel_scope.cancel()
            assert store._limiter.borrowed_tokens == 0

    with scripted(tls=tls, hang=threading.Event()) as server:
        anyio.run(main, server.url, server.hanging)
