"""Converts errors into the `Failure` values of outcomes."""

from __future__ import annotations

from orchestrator.errors import CloudError, Code, InterruptedRunError, PackageError
from orchestrator.model import Failure, Operation
from orchestrator.resilience import policy

_NAMES = {int(code): code.name for code in Code}


def unless_token(error: CloudError) -> None:
    """Raise `InterruptedRunError` if the token is not accepted any more: that is not a unit's failure."""
    if policy.judge(error) is policy.ErrorClass.TOKEN:
        raise InterruptedRunError(error.message, advice=error.advice) from error


def of_call(error: CloudError) -> Failure:
    """Return everything that the cloud said about a refused call."""
    return Failure(
        error.message,
        kind=error.code.name if error.code is not None else "no usable answer",
        http_status=error.http_status,
        request_id=error.request_id,
        server_trace_id=error.server_trace_id,
        client_request_id=error.client_request_id,
        advice=error.advice,
        detail=f"call: {error.call}",
    )


def of_package(error: PackageError, kind: str) -> Failure:
    """Return a build's failure, with its output."""
    return Failure(error.message, kind=kind, advice=error.advice, detail=error.detail)


def of_operation(operation: Operation) -> Failure:
    """Return the error of an Operation that is `done` and failed."""
    error = operation.error
    code, message = (error.code, error.message) if error is not None else (2, "the Operation ended without a response")
    return Failure(
        message,
        kind=_NAMES.get(code, str(code)),
        request_id=operation.request_id,
        server_trace_id=operation.server_trace_id,
        operation_id=operation.id,
    )
