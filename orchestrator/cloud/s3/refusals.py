"""What went wrong with Object Storage: one table here turns S3 codes and botocore's exceptions into `CloudError`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from botocore import exceptions as boto

from orchestrator.cloud.answers import retry_after_s
from orchestrator.cloud.wording import excerpt, restated
from orchestrator.errors import CloudError, Code

_CHECK_NETWORK = "check the network, the endpoint (--endpoint), and HTTPS_PROXY / NO_PROXY"
_CHECK_KEYS = "check YC_STORAGE_ACCESS_KEY and YC_STORAGE_SECRET_KEY (or the AWS_ ones)"
_CHECK_TOKEN = "get another IAM token, or use static keys (YC_STORAGE_ACCESS_KEY, YC_STORAGE_SECRET_KEY)"  # noqa: S105 - a sentence
_CHECK_ROLE = "give the account the role storage.uploader on the bucket {bucket} or its folder"
_CHECK_DELETE = "give the account the role storage.editor on the bucket {bucket} or its folder"
_CHECK_BUCKET = "create the bucket {bucket}, or correct its name"
_LATER = "try again in a while"
DELETE = "delete object"  # the call that needs more rights than the others

# S3 code: gRPC code, sentence (empty: the server's own), advice (cloud-api#object-storage).
_REFUSALS: Mapping[str, tuple[Code, str, str]] = {
    "NoSuchBucket": (Code.NOT_FOUND, "the bucket {bucket} does not exist", _CHECK_BUCKET),
    "InvalidBucketName": (Code.INVALID_ARGUMENT, "{bucket} is not a valid bucket name", _CHECK_BUCKET),
    "PermanentRedirect": (
        Code.FAILED_PRECONDITION, "the bucket {bucket} is at another address", "check the storage endpoint",
    ),
    "AccessDenied": (Code.PERMISSION_DENIED, "access to the bucket {bucket} is denied", _CHECK_ROLE),
    "InvalidAccessKeyId": (Code.PERMISSION_DENIED, "the static access key does not exist", _CHECK_KEYS),
    "SignatureDoesNotMatch": (Code.PERMISSION_DENIED, "the secret key does not match the access key", _CHECK_KEYS),
    "RequestTimeTooSkewed": (
        Code.FAILED_PRECONDITION, "this machine's clock is more than 15 minutes off", "set the clock (NTP)",
    ),
    "ExpiredToken": (Code.UNAUTHENTICATED, "the token has expired", _CHECK_TOKEN),
    "InvalidToken": (Code.UNAUTHENTICATED, "the token is not valid", _CHECK_TOKEN),
    "Unauthorized": (Code.UNAUTHENTICATED, "the token is not valid", _CHECK_TOKEN),
    "SlowDown": (Code.UNAVAILABLE, "Object Storage asks to slow down", _LATER),
    "ServiceUnavailable": (Code.UNAVAILABLE, "Object Storage is unavailable", _LATER),
    "InternalError": (Code.INTERNAL, "Object Storage has an internal error", _LATER),
    "TooManyRequests": (Code.RESOURCE_EXHAUSTED, "the request rate is too high for Object Storage", _LATER),
    "RequestTimeout": (Code.DEADLINE_EXCEEDED, "Object Storage timed out waiting for the package", _LATER),
    "OperationAborted": (Code.ABORTED, "another upload of the same object is in progress", _LATER),
    "ConditionalRequestConflict": (Code.ABORTED, "another upload of the same object is in progress", _LATER),
    "BadDigest": (Code.ABORTED, "the package arrived damaged", _LATER),
    "XAmzContentSHA256Mismatch": (Code.ABORTED, "the package arrived damaged", _LATER),
    "IncompleteBody": (Code.ABORTED, "the package arrived incomplete", _LATER),
    "NotImplemented": (Code.UNIMPLEMENTED, "Object Storage does not support this kind of request", ""),
    "EntityTooLarge": (Code.OUT_OF_RANGE, "the package is too large for Object Storage", ""),
    "CloudTotalAliveSizeQuotaExceed": (
        Code.RESOURCE_EXHAUSTED, "the cloud's storage quota is used up",
        "delete what is not needed, or ask for a higher quota (storage.volume.size)",
    ),
    "BucketMaxSizeExceeded": (
        Code.FAILED_PRECONDITION, "the bucket {bucket} has reached its maximum size",
        "raise the bucket's maximum size, or delete old packages",
    ),
}  # fmt: skip
# For a key that has worked before, this is a temporary error.
_OF_KEYS = ("SignatureDoesNotMatch", "InvalidAccessKeyId")
_QUOTAS = {"CloudTotalAliveSizeQuotaExceed": "storage.volume.size"}  # cloud-api#object-storage
_CODE_OF_STATUS = {
    301: "PermanentRedirect", 307: "PermanentRedirect", 401: "Unauthorized", 403: "AccessDenied",
    404: "NoSuchBucket", 408: "RequestTimeout", 409: "OperationAborted", 413: "EntityTooLarge", 429: "TooManyRequests",
    500: "InternalError", 501: "NotImplemented", 502: "ServiceUnavailable", 503: "ServiceUnavailable",
    504: "RequestTimeout",
}  # fmt: skip

# The first kind that matches counts; a subclass comes before its base. True: the request may have been sent.
_BREAKS: tuple[tuple[type[Exception], bool, str, str], ...] = (
    (boto.ProxyConnectionError, False, "no connection to {host} through the proxy: {reason}", _CHECK_NETWORK),
    (boto.SSLError, False, "no trusted TLS connection to {host}: {reason}",
     "set SSL_CERT_FILE to a file with the certificate authority that signed it (a company's proxy has its own)"),
    (boto.ConnectTimeoutError, False, "no connection to {host} within the time limit", _CHECK_NETWORK),
    (boto.EndpointConnectionError, False, "no connection to {host}: {reason}", _CHECK_NETWORK),
    (boto.ParamValidationError, False, "{reason}", "correct the bucket's name, or `prefix` in [storage]"),
    (boto.ReadTimeoutError, True, "{host} did not respond within the time limit", _LATER),
    (boto.ConnectionClosedError, True, "the connection to {host} broke: {reason}", _LATER),
    (boto.HTTPClientError, True, "the connection to {host} broke: {reason}", _LATER),
)  # fmt: skip


def translate(error: Exception, *, call: str, bucket: str, host: str, worked: bool) -> CloudError:
    """Turn any exception of boto3 into the error that this package raises. `worked`: the same static key has been
    accepted before.
    """
    if isinstance(error, boto.ClientError):
        name = str(error.response.get("Error", {}).get("Code", ""))
        found = _refusal(error, call, bucket, host)
        return restated(found, code=Code.ABORTED) if worked and name in _OF_KEYS else found
    for kind, sent, sentence, advice in _BREAKS:
        if isinstance(error, kind):
            return CloudError(sentence.format(host=host, reason=_reason(error)), call=call, sent=sent, advice=advice)
    return not_storage(call, host, None, {}, said=str(error))


def not_storage(call: str, host: str, status: int | None, headers: Mapping[str, str], said: str = "") -> CloudError:
    """Return the error for an answer that no S3 service gives, for example a proxy's page."""
    kind = "an HTML page" if "html" in headers.get("content-type", "") else "something that is not S3"
    ending = f": {excerpt(said.encode())}" if said else ""
    return CloudError(
        f"{host} answered {f'HTTP {status} with ' if status else ''}{kind}{ending}",
        call=call,
        code=_REFUSALS[_CODE_OF_STATUS[status]][0] if status in _CODE_OF_STATUS else Code.FAILED_PRECONDITION,
        http_status=status,
        advice="the response is not from Object Storage: check the endpoint, HTTPS_PROXY and NO_PROXY",
    )


def _is_foreign(name: str, status: int, operation: str) -> bool:
    """Return whether a refusal is not from Object Storage: it has no S3 code. Only answers to HEAD may lack one."""
    return (not name or name.isdecimal()) and status in (403, 404, 413) and not operation.startswith("Head")


def is_unmet(error: Exception) -> bool:
    """Return whether the condition of a write failed: the object is not in the expected state."""
    if not isinstance(error, boto.ClientError):
        return False
    answer: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    code = error.response.get("Error", {}).get("Code", "")
    html = "html" in answer.get("HTTPHeaders", {}).get("content-type", "")
    return answer.get("HTTPStatusCode") == 412 and code in ("PreconditionFailed", "412", "") and not html


def is_missing(error: Exception) -> bool:
    """Return whether there is no such object. After a HEAD, the bucket may be missing instead."""
    if not isinstance(error, boto.ClientError):
        return False
    name, status = error.response.get("Error", {}).get("Code"), error.response["ResponseMetadata"].get("HTTPStatusCode")
    return name == "NoSuchKey" or (status == 404 and error.operation_name.startswith("Head"))


def _refusal(error: boto.ClientError, call: str, bucket: str, host: str) -> CloudError:
    body: Mapping[str, Any] = error.response.get("Error", {})
    answer: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    status, headers = answer.get("HTTPStatusCode"), answer.get("HTTPHeaders", {})
    name = str(body.get("Code", ""))
    html = "html" in headers.get("content-type", "")
    if status is None or html or _is_foreign(name, status, error.operation_name):
        return not_storage(call, host, status, headers)
    said = excerpt(str(body.get("Message", "")).encode())
    row = _REFUSALS.get(name) or _REFUSALS.get(_CODE_OF_STATUS.get(status, ""))
    if row is None:
        code = Code.UNAVAILABLE if status >= 500 else Code.INVALID_ARGUMENT
        row = (code, f"Object Storage refused with HTTP {status}", "")
    code, sentence, advice = row
    if advice is _CHECK_ROLE and call == DELETE:
        advice = _CHECK_DELETE
    detail = "" if name.isdecimal() or not said else f" ({name}: {said})"
    return CloudError(
        sentence.format(bucket=bucket) + detail,
        call=call,
        code=code,
        http_status=status,
        retry_after_s=retry_after_s(
            {"Retry-After": str(headers.get("retry-after", "")), "Date": str(headers.get("date", ""))}, time.time()
        ),
        request_id=str(headers.get("x-amz-request-id") or answer.get("RequestId") or headers.get("x-request-id", "")),
        quota=_QUOTAS.get(name, ""),
        advice=advice.format(bucket=bucket),
    )


def _reason(error: BaseException) -> str:
    """Return the system's own text from the end of the chain: botocore's sentences contain whole URLs and objects."""
    if isinstance(error, boto.ParamValidationError):
        return " ".join(str(error).split())
    reason, cause = "", error
    while True:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        deeper = cause.__cause__ or cause.__context__
        if deeper is None:
            return reason or excerpt(str(cause).encode()) or type(cause).__name__
        cause = deeper
