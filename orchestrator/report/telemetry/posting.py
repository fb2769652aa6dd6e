"""Posts of OTLP over HTTP. A session of the exporter's own HTTP library knows why a collector took nothing, where the
exporter's log names a cause only by chance.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from requests import exceptions as errors
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from orchestrator.cloud.broken import system_reason

_CHECK_PLACE = "Check that a collector runs there, and OTEL_EXPORTER_OTLP_ENDPOINT"
_CHECK_PROXY = "Check HTTPS_PROXY and HTTP_PROXY, or list the host in NO_PROXY"
_CHECK_TRUST = "Set OTEL_EXPORTER_OTLP_CERTIFICATE to a file with the certificate authority that signed it"
_CHECK_FILES = "Check OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and its key"
_CHECK_TLS = "Check whether OTEL_EXPORTER_OTLP_ENDPOINT begins with http:// or https:// as the collector expects"
_CHECK_HTTP = "OTLP over HTTP has port 4318 by default. For port 4317 set OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
_CLOSED = "{place} closed the connection without an HTTP response"
_CHECK_PATH = (
    "Check the path: /v1/traces and /v1/metrics are added to OTEL_EXPORTER_OTLP_ENDPOINT, and nothing is added to the "
    "endpoint of one signal"
)
_CHECK_HEADERS = "Check OTEL_EXPORTER_OTLP_HEADERS"
_SLOW = "Check the collector, or give it more time with OTEL_EXPORTER_OTLP_TIMEOUT, in seconds"
_MOVED = "Redirects are not followed. Set OTEL_EXPORTER_OTLP_ENDPOINT to the new address"
_LOOK = "Look into the log of the collector"
_DEPTH_MAX = 10  # of causes of causes
_PORTS = {"http": 80, "https": 443}
# The first kind that matches counts; a subclass comes before its base.
_CAUSES: tuple[tuple[type[BaseException], str, str], ...] = (
    (errors.ProxyError, "no connection to the proxy: {reason}", _CHECK_PROXY),
    (ssl.SSLCertVerificationError, "the certificate of {place} is not trusted: {reason}", _CHECK_TRUST),
    (errors.SSLError, "no TLS connection to {place}: {reason}", _CHECK_TLS),
    (socket.gaierror, "the name {name} cannot be found: {reason}", _CHECK_PLACE),
    (errors.ConnectTimeout, "no connection to {place} within the time limit", _CHECK_PLACE),
    (errors.Timeout, "{place} did not respond within the time limit", _SLOW),
    (errors.InvalidURL, "{place} is not a valid address", _CHECK_PLACE),
    (errors.InvalidSchema, "{place} is not a valid address", _CHECK_PLACE),
    (errors.MissingSchema, "{place} is not a valid address", _CHECK_PLACE),
    (errors.InvalidHeader, "a header is not valid", _CHECK_HEADERS),
    (errors.ChunkedEncodingError, "the response of {place} was cut off", _LOOK),
    (ConnectionResetError, _CLOSED, _CHECK_HTTP),
    (BrokenPipeError, _CLOSED, _CHECK_HTTP),
    (HTTPException, _CLOSED, _CHECK_HTTP),
    (errors.ConnectionError, "no connection to {place}: {reason}", _CHECK_PLACE),
    (errors.RequestException, "the request to {place} failed: {reason}", _CHECK_PLACE),
    (OSError, "a certificate cannot be read", _CHECK_FILES),
)
_STATUSES: Mapping[int, str] = {
    400: _LOOK,
    401: _CHECK_HEADERS,
    403: _CHECK_HEADERS,
    404: _CHECK_PATH,
    405: _CHECK_PATH,
    413: "Set OTEL_BSP_MAX_EXPORT_BATCH_SIZE to less than 512",
    415: "Check OTEL_EXPORTER_OTLP_PROTOCOL and OTEL_EXPORTER_OTLP_COMPRESSION",
}


class MovedError(errors.RequestException):
    """The collector answered with a redirect, which the exporter would take for success."""


class Posting(requests.Session):
    """A session that remembers why a post was not accepted, and how much the collector rejected of accepted ones.

    `why`: what happened at the latest post that failed, and what to do; "" for none. `rejected`: how many spans were
    rejected of accepted posts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.why = self.place = ""
        self.rejected = 0
        self._is_failing = False  # whether the latest post failed
        self.auth = _of_the_address

    def request(self, method: Any, url: Any, *given: Any, **more: Any) -> requests.Response:
        """Send a request, as the exporter asks for it."""
        self.place = _place(str(url))
        try:
            # Without `verify`, REQUESTS_CA_BUNDLE would replace OTEL_EXPORTER_OTLP_CERTIFICATE.
            more = {"verify": self.verify, **more, "allow_redirects": False}
            response = super().request(method, url, *given, **more)
        except Exception as error:
            # A repetition has only the time that is left, perhaps none: the cause of the former attempt says more.
            is_over = not more.get("timeout", True)
            if not (self._is_failing and (is_over or isinstance(error, errors.Timeout))):
                self.why = _explained(errors.ReadTimeout() if is_over else error, self.place)
            self._is_failing = True
            raise
        refused = _refused(response.status_code, self.place)
        self.why, self._is_failing = refused or self.why, bool(refused)
        if 300 <= response.status_code < 400:
            raise MovedError(refused)
        if not refused:
            self._read(str(url), response.content)
        return response

    def _read(self, url: str, content: bytes) -> None:
        """Read what an accepting collector rejected. An answer that is no protobuf does not say it."""
        answer = (ExportMetricsServiceResponse if "metrics" in url else ExportTraceServiceResponse)()
        try:
            answer.ParseFromString(content)
        except Exception:  # noqa: BLE001 - protobuf's, which has no type stubs
            return
        part = answer.partial_success
        if count := getattr(part, "rejected_spans", 0) or getattr(part, "rejected_data_points", 0):
            self.rejected += count
            self.why = f"{self.place} rejected them: {part.error_message or 'it gave no reason'}"


def _of_the_address(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add the credentials of the address, if there are any. Without a rule of ours the library would add those of
    ~/.netrc, in place of OTEL_EXPORTER_OTLP_HEADERS.
    """
    name, password = get_auth_from_url(request.url or "")
    return HTTPBasicAuth(name, password)(request) if name or password else request


def _refused(status: int, place: str) -> str:
    """Return why a status means that nothing was taken, "" if it was."""
    if 200 <= status < 300:
        return ""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    advice = _MOVED if status < 400 else _LOOK if status == 429 or status >= 500 else _STATUSES.get(status, "")
    return _sentence(f"{place} returned HTTP {status} {phrase}".strip(), advice)


def _explained(error: Exception, place: str) -> str:
    """Return what happened and what to do. No part of it comes from text that may contain a credential."""
    first = _first_cause(error)
    for kind, sentence, advice in _CAUSES:
        if isinstance(error, kind) or isinstance(first, kind):
            name = place.rpartition(":")[0]
            return _sentence(sentence.format(place=place, name=name, reason=_reason(first)), advice)
    return _sentence(f"the request to {place} failed: {type(error).__name__}", "")


def _reason(cause: BaseException) -> str:
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else system_reason(cause)


def _first_cause(error: BaseException) -> BaseException:
    """Return the error of the operating system that other errors are about, or the innermost one."""
    for _ in range(_DEPTH_MAX):
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        cause = next((one for one in inner if isinstance(one, BaseException)), None)
        if cause is None:
            break
        error = cause
    return error


def _place(url: str) -> str:
    """Return host and port of an address. Its path may contain a key."""
    try:
        found = urlsplit(url)
        host, port = found.hostname, found.port or _PORTS.get(found.scheme)
    except ValueError:
        return "the endpoint"
    return f"{host}:{port}" if host and port else "the endpoint"


def _sentence(what: str, advice: str) -> str:
    return f"{what}. {advice}" if advice else what
