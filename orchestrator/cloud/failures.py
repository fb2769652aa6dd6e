"""`CloudError`s told again: with another sentence, or as one line for people."""

from __future__ import annotations

from orchestrator.errors import CloudError


def restated(
    error: CloudError, *, message: str | None = None, advice: str | None = None, sent: bool | None = None
) -> CloudError:
    """Copy an error with all its facts, but for what is given."""
    return CloudError(
        error.message if message is None else message,
        call=error.call,
        code=error.code,
        http_status=error.http_status,
        sent=error.sent if sent is None else sent,
        retry_after_s=error.retry_after_s,
        request_id=error.request_id,
        server_trace_id=error.server_trace_id,
        client_request_id=error.client_request_id,
        quota=error.quota,
        advice=error.advice if advice is None else advice,
    )


def facts(error: CloudError) -> str:
    """Give what support asks for, in brackets, to stand after a sentence; empty where nothing is known."""
    known = [
        f"{name} {value}"
        for name, value in (
            ("HTTP", error.http_status),
            ("code", error.code.name if error.code is not None else ""),
            ("x-request-id", error.request_id),
            ("x-server-trace-id", error.server_trace_id),
            ("x-client-request-id", error.client_request_id if error.sent else ""),
        )
        if value
    ]
    return f" ({', '.join(known)})" if known else ""
