"""Why a post of telemetry failed, as a sentence of ours."""

from __future__ import annotations

import socket
import ssl
from http.client import BadStatusLine

import pytest
from requests import exceptions as errors
from urllib3.exceptions import MaxRetryError, NameResolutionError

from orchestrator.report.telemetry.posting import Posting, _explained, _place
from tests.ports import unserved


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate (_ssl.c:1006)")
    error.verify_message = "self-signed certificate"
    return error


def unresolved() -> MaxRetryError:
    cause = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    error = as_raised(NameResolutionError("collector", None, cause), cause)  # type: ignore[arg-type]
    return MaxRetryError(None, "/key/v1/traces", error)  # type: ignore[arg-type]


def as_raised(error: Exception, cause: BaseException | None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.SSLError(untrusted()), "the certificate of c:1 is not trusted: self-signed certificate. Set OTEL_"),
        (errors.SSLError(ssl.SSLError(1, "x")), "no TLS connection to c:1: tls error. Check whether"),
        (errors.ConnectTimeout(), "no connection to c:1 within the time limit. Check that"),
        (errors.ReadTimeout(), "c:1 did not respond within the time limit. Check the collector"),
        (errors.ConnectionError(ConnectionRefusedError(111, "x")), "no connection to c:1: connection refused. Check"),
        (errors.ConnectionError(OSError(101, "x")), "no connection to c:1: network is unreachable. Check that"),
        (errors.ConnectionError(BadStatusLine("x")), "c:1 closed the connection without an HTTP response. OTLP"),
        (errors.ConnectionError(ConnectionResetError(104, "x")), "c:1 closed the connection without an HTTP response"),
        (as_raised(errors.ProxyError(), OSError(111, "x")), "no connection to the proxy: connection refused. Check H"),
        (errors.ChunkedEncodingError(), "the response of c:1 was cut off. Look"),
        (errors.InvalidHeader("a\nb"), "a header is not valid. Check OTEL_EXPORTER_OTLP_HEADERS"),
        (errors.InvalidURL(), "c:1 is not a valid address."),
        (OSError("no suitable TLS CA certificate bundle: /secret"), "a certificate cannot be read. Check OTEL_"),
        (errors.RequestException("of https://key@c:1/secret"), "the request to c:1 failed: RequestException. Check"),
        (RuntimeError("secret"), "the request to c:1 failed: RuntimeError"),
    ],
)
def test_each_kind_of_error_has_a_sentence_and_a_next_step(error: Exception, said: str) -> None:
    assert _explained(error, "c:1").startswith(said)
    assert "secret" not in _explained(error, "c:1")


def test_a_name_that_is_not_found_is_named() -> None:
    said = _explained(errors.ConnectionError(unresolved()), "collector:4318")
    assert said.startswith("the name collector cannot be found")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://h:4318/v1/traces", "h:4318"), ("https://me:key@h/key", "h:443"), ("http://[::1]:1/x", "::1:1"),
        ("collector:4318", "the endpoint"), ("http://h:99999", "the endpoint"), ("", "the endpoint"),
    ],
)  # fmt: skip
def test_a_place_is_shown_without_its_path(url: str, place: str) -> None:
    assert _place(url) == place


def test_an_attempt_without_time_left_keeps_the_cause_of_the_former_one() -> None:
    posting = Posting()
    with unserved() as address:
        for timeout_s in (5.0, 0.0):
            with pytest.raises((errors.RequestException, ValueError)):
                posting.post(f"http://{address}/v1/traces", timeout=timeout_s)
            assert posting.why.startswith(f"no connection to {address}: connection refused.")
        fresh = Posting()
        with pytest.raises((errors.RequestException, ValueError)):
            fresh.post(f"http://{address}/v1/traces", timeout=0.0)
    assert "within the time limit" in fresh.why
