"""The boto3 side of Object Storage: one client that takes settings only from us, and the few calls that we make.

Imports boto3, which takes a large part of a second: import this module in a worker thread only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from os import SEEK_END
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3.session
import botocore.session
import structlog
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader

from orchestrator.cloud.s3.call import AbandonedError, ThreadCall
from orchestrator.cloud.s3.contents import BucketContents
from orchestrator.cloud.s3.heads import UNREADABLE, may_be, put_long_ago
from orchestrator.cloud.s3.refusals import is_unmet, not_storage, translate
from orchestrator.cloud.s3.wire import Pool, TlsPool, Upload, send_bounded
from orchestrator.errors import CloudError, OrchestratorError, PackageError
from orchestrator.model import Package, StoredObject
from orchestrator.ports import Progress

if TYPE_CHECKING:
    from orchestrator.cloud.keys import StaticKeys

REGION = "ru-central1"
CONNECT_TIMEOUT_S = 10.0  # to connect, and to send any one piece of a body
READ_TIMEOUT_S = 60.0  # from the body's last byte to the answer: the server may be writing 128 MB

# Bodies up to this size are sent at once. Larger ones wait for "100 Continue": that costs a round trip, but avoids
# sending what already exists.
_SMALL_BYTES = 64 * 1024
_GZIPPED = re.compile(r"[-;]+gzip$")  # what a compressing proxy appends to an ETag
_log = structlog.get_logger()
_PACK_AGAIN = "start again: the package will be created again"


class Client:
    """The calls, each made in a worker thread. Errors are returned: a failed upload is a value."""

    def __init__(
        self,
        endpoint: str,
        credentials: StaticKeys | None,
        bearer: Callable[[], str],
        *,
        threads: int,
        proxies: dict[str, str],
        ca_file: str | None,
    ) -> None:
        """Without static keys, requests are not signed, and `bearer` returns the token of each request.

        Raises `ValueError` for an endpoint that is not a URL.
        """
        self._host = urlsplit(endpoint).netloc
        self._credentials = credentials
        self._bearer = bearer
        self._worked = False  # whether the static key was ever accepted
        self._s3 = _open(endpoint, credentials, threads, proxies, ca_file)
        self.contents = BucketContents(self._s3, self._host, self._translated)
        self._s3.meta.events.register("before-call.s3", _stay_in_region)
        self._s3.meta.events.register("before-send.s3", self._before_send)

    def close(self) -> None:
        self._s3.close()

    def put(
        self, bucket: str, key: str, package: Package, progress: Progress | None, call: ThreadCall
    ) -> StoredObject | OrchestratorError:
        """Put a package unless it exists. If its key has different content, or was put long ago, it is replaced."""
        stored = self._put(bucket, key, package, progress, call, {"IfNoneMatch": "*"})
        if not (isinstance(stored, StoredObject) and stored.existed):
            return stored
        found = self._head(bucket, key, call)
        if isinstance(found, CloudError) or found is UNREADABLE:
            return found if isinstance(found, CloudError) else stored
        if found is not None and may_be(found, package):
            if not put_long_ago(found):
                return stored
            _log.info("package uploaded again: it was put long ago", bucket=bucket, object=key)
        elif found is not None:
            _log.warning("package uploaded again: its key had different content", bucket=bucket, object=key)
        return self._put(bucket, key, package, progress, call, {})

    def _head(self, bucket: str, key: str, call: ThreadCall) -> Any:
        """Return the head of a key: None if it was removed by now, `UNREADABLE` if this account may not read it."""
        try:
            with call:
                head = self._s3.head_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError, AbandonedError) as error:
            status = _status(error)
            if status == 404:
                return None
            passes = status is None or status >= 500 or status in (401, 408, 429)
            return self._translated(error, call="head object", bucket=bucket) if passes else UNREADABLE
        return UNREADABLE if self._not_s3("head object", head) else head

    def _put(
        self,
        bucket: str,
        key: str,
        package: Package,
        progress: Progress | None,
        call: ThreadCall,
        condition: dict[str, str],
    ) -> StoredObject | OrchestratorError:
        existed = False
        try:
            with call, package.path.open("rb") as file:
                if file.seek(0, SEEK_END) != package.size_bytes:
                    return PackageError(f"the package {package.path} has changed since it was made", advice=_PACK_AGAIN)
                file.seek(0)
                answer = self._s3.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=Upload(file, package.size_bytes, call, progress),
                    ContentLength=package.size_bytes,
                    ContentType="application/zip",
                    **condition,
                )
        except (BotoCoreError, ClientError, AbandonedError) as error:
            existed = is_unmet(error)  # If-None-Match: * failed: the object exists
            if not existed:
                return self._translated(error, call="put object", bucket=bucket)
        except OSError as error:  # after botocore's: some of its errors are OSErrors too
            return PackageError(f"the package {package.path} cannot be read: {error.strerror}", advice=_PACK_AGAIN)
        if not existed and (not_s3 := self._not_s3("put object", answer)):
            return not_s3
        self._worked = True
        return StoredObject(bucket, key, package.sha256, package.size_bytes, existed)

    def _not_s3(self, call: str, answer: Any) -> CloudError | None:
        """Return the error for a good answer that is not from S3: without an ETag, or a page."""
        meta = answer["ResponseMetadata"]
        if answer.get("ETag") and "html" not in meta["HTTPHeaders"].get("content-type", ""):
            return None
        return not_storage(call, self._host, meta["HTTPStatusCode"], meta["HTTPHeaders"])

    def _translated(self, error: Exception, *, call: str, bucket: str) -> CloudError:
        return translate(error, call=call, bucket=bucket, host=self._host, worked=self._worked)

    def check(self, bucket: str, call: ThreadCall) -> CloudError | None:
        """Request the bucket's head. A refused HEAD has no reason, so then request a list of at most one object."""
        try:
            with call:
                try:
                    meta = self._s3.head_bucket(Bucket=bucket)["ResponseMetadata"]
                except ClientError as error:
                    if _status(error) not in (400, 403):
                        raise
                    meta = self._s3.list_objects_v2(Bucket=bucket, MaxKeys=1)["ResponseMetadata"]
        except (BotoCoreError, ClientError, AbandonedError) as error:
            return self._translated(error, call="check bucket", bucket=bucket)
        if "html" in meta["HTTPHeaders"].get("content-type", ""):
            return not_storage("check bucket", self._host, meta["HTTPStatusCode"], meta["HTTPHeaders"])
        return None

    def etag(self, bucket: str, key: str, call: ThreadCall) -> str | CloudError | None:
        """Return an object's ETag, without what proxies add; None if there is no such object."""
        try:
            with call:
                answer = self._s3.head_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError, AbandonedError) as error:
            if _status(error) == 404:  # the response to a HEAD has no more details
                return None
            return self._translated(error, call="head object", bucket=bucket)
        if not_s3 := self._not_s3("head object", answer):
            return not_s3
        return _GZIPPED.sub("", str(answer["ETag"]).removeprefix("W/").strip('"'))

    def read(self, bucket: str, key: str, call: ThreadCall) -> tuple[bytes, str] | CloudError | None:
        """Read a small object and its ETag; None if there is none."""
        try:
            with call:
                answer = self._s3.get_object(Bucket=bucket, Key=key)
                body: bytes = answer["Body"].read()
        except (BotoCoreError, ClientError, AbandonedError) as error:
            if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchKey":
                return None
            return self._translated(error, call="get object", bucket=bucket)
        if not_s3 := self._not_s3("get object", answer):
            return not_s3
        self._worked = True
        return body, answer["ETag"]

    def write(self, bucket: str, key: str, body: bytes, etag: str | None, call: ThreadCall) -> str | CloudError | None:
        """Write a small object over the one with that ETag, or (None) if there is none. Returns the new ETag, None if
        the condition failed.
        """
        condition = {"IfMatch": etag} if etag is not None else {"IfNoneMatch": "*"}
        try:
            with call:
                answer = self._s3.put_object(
                    Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition
                )
        except (BotoCoreError, ClientError, AbandonedError) as error:
            gone = isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchKey"
            if is_unmet(error) or gone:
                return None
            return self._translated(error, call="put object", bucket=bucket)
        if not_s3 := self._not_s3("put object", answer):
            return not_s3
        self._worked = True
        return str(answer["ETag"])

    def _before_send(self, request: AWSPreparedRequest, **_: object) -> None:
        # The last moment before sending: after signing, and after botocore has logged the headers.
        if self._credentials is None:
            request.headers["Authorization"] = f"Bearer {self._bearer()}"
        body: object = request.body
        if isinstance(body, Upload):
            body.sending()
            if body.size_bytes <= _SMALL_BYTES:
                del request.headers["Expect"]


def _open(
    endpoint: str, credentials: StaticKeys | None, threads: int, proxies: dict[str, str], ca_file: str | None
) -> Any:
    core = botocore.session.Session(session_vars=_deaf_session_variables())
    core.register_component("data_loader", _service_models())
    config = Config(
        region_name=REGION,
        signature_version="s3v4" if credentials else UNSIGNED,
        s3={"addressing_style": "path"},
        # Otherwise bodies are sent aws-chunked, with trailers and without a Content-Length (cloud-api#object-storage).
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1, "mode": "standard"},  # the engine decides about retries
        max_pool_connections=threads,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        proxies=proxies,
    )
    client: Any = boto3.session.Session(botocore_session=core).client(
        "s3",
        endpoint_url=endpoint,
        config=config,
        verify=ca_file,
        aws_access_key_id=credentials.access_key if credentials else None,
        aws_secret_access_key=credentials.secret_key if credentials else None,
        aws_session_token=credentials.session_token if credentials else None,
    )
    # Botocore has no option for its connection classes; its pool managers share this dict.
    http = client._endpoint.http_session  # noqa: SLF001 - see above
    http._pool_classes_by_scheme.update({"http": Pool, "https": TlsPool})  # noqa: SLF001 - see above
    http.send = partial(send_bounded, http.send)
    return client


@cache
def _service_models() -> Loader:
    """Botocore's S3 models, read from files once per process: that takes longer than the rest of a client."""
    loader: Loader = create_loader()
    return loader


def _stay_in_region(context: dict[str, Any], **_: object) -> None:
    # For a bucket elsewhere, botocore would request its region, and would never stop if the answer stayed the same.
    context.get("s3_redirect", {})["redirected"] = True


def _deaf_session_variables() -> dict[str, Any]:
    """Botocore's settings without AWS_… variables and ~/.aws files: these must not change what is sent."""
    table = botocore.session.Session.SESSION_VARIABLES
    deaf = {name: (None, None, default, convert) for name, (_, _, default, convert) in table.items()}
    return deaf | dict.fromkeys(("config_file", "credentials_file"), (None, None, "", None))


def _status(error: Exception) -> int | None:
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return None
