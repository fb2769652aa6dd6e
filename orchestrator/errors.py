"""The kinds of errors, each with its exit code.

They hold facts only: `policy` decides whether an error is worth a retry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """The published exit codes."""

    DONE = 0
    FAILED = 1  # some functions failed or were blocked
    USAGE = 2  # usage or manifest error
    INTERRUPTED = 3  # interrupted, paused, or an outcome is unknown: the run can be resumed
    LOCKED = 4  # another run holds the lock
    ROLLED_BACK = 5
    NOT_STARTED = 6  # credentials, network, bucket, rights


class Code(IntEnum):
    """google.rpc.Code, as the `code` of an error body or of an Operation's error."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class OrchestratorError(Exception):
    """Base of all errors that a user may see: one sentence, and the next step in `advice`, which may be empty."""

    exit = Exit.FAILED

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in a manifest: its place (line 0 is the whole file), its key, and the rule that it breaks."""

    file: str
    line: int
    key: str  # dotted, as written: functions.thumbnailer.memory
    rule: str  # a sentence: what is wrong, what is allowed, "did you mean …?"
    function: str = ""  # the function concerned, where the table is shared by several

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.rule}" if self.key else f"{place}: {self.rule}"


class ManifestError(OrchestratorError):
    """A manifest with mistakes: all of them, in the order of files and lines. `listed`: those that the message does not
    contain: none where the only one is about a whole file, such as a missing one.
    """

    exit = Exit.USAGE

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = self.listed = mistakes
        only = mistakes[0] if len(mistakes) == 1 else None
        if only is not None and not only.line and not only.key:
            self.listed = ()
            rule, _, advice = only.rule.partition("; ")
            super().__init__(f"{only.file}: {rule}", advice=advice)
            return
        several = "s" if len(mistakes) != 1 else ""
        count = f"{len(mistakes)} mistake{several}"
        super().__init__(f"{count} in the manifest", advice=f"fix the line{several} listed above")


class UsageError(OrchestratorError):
    """A command line that makes no sense."""

    exit = Exit.USAGE


class NotHereError(UsageError):
    """A selected function does not exist in the chosen environment. `function` is the name as it was given."""

    def __init__(self, function: str, message: str, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.function = function


class StartError(OrchestratorError):
    """The run could not start: credentials, network, bucket, rights, state folder. Nothing was changed."""

    exit = Exit.NOT_STARTED


class InterruptedRunError(OrchestratorError):
    """The run cannot continue but can be resumed, for example after a fixed token has expired."""

    exit = Exit.INTERRUPTED


class DeclinedError(OrchestratorError):
    """The user declined the prompt. Nothing was sent, so there is nothing to resume."""


class LockHeldError(OrchestratorError):
    """Another run holds the lock."""

    exit = Exit.LOCKED


class PackageError(OrchestratorError):
    """A function's package cannot be made. The function fails, not the run. `detail` may be the output of a build."""

    def __init__(self, message: str, *, advice: str = "", detail: str = "") -> None:
        super().__init__(message, advice=advice)
        self.detail = detail


class JournalError(OrchestratorError):
    """The journal cannot be written or read."""

    exit = Exit.NOT_STARTED


class CloudError(OrchestratorError):
    """A call that the cloud refused, or that had no usable response.

    `code` is the gRPC code of the body, or None without such a body. `http_status` is None without a response.
    `sent` means that the request may have reached the service, so a change may have happened. `retry_after_s` is the
    delay that the server asked for.
    """

    def __init__(
        self,
        message: str,
        *,
        call: str,
        code: Code | None = None,
        http_status: int | None = None,
        sent: bool = True,
        retry_after_s: float | None = None,
        request_id: str = "",
        server_trace_id: str = "",
        client_request_id: str = "",
        quota: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.call = call  # "createVersion", "put object"
        self.code = code
        self.http_status = http_status
        self.sent = sent
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.server_trace_id = server_trace_id
        self.client_request_id = client_request_id
        self.quota = quota  # metric name of a QuotaFailure violation, if the body has one
