"""How large a package may be: limits of the cloud that cannot be raised (its page "Quotas and limits")."""

from __future__ import annotations

from orchestrator.errors import PackageError

ZIPPED_MAX_BYTES = 134_217_728  # 128 MB, binary: a zip in a bucket
UNPACKED_MAX_BYTES = 713_031_680  # 680 MB, binary
_MB = 1024 * 1024


def refuse_zipped(size_bytes: int, label: str) -> None:
    """Raise `PackageError` where a zip is over the limit."""
    if size_bytes > ZIPPED_MAX_BYTES:
        _refuse(label, ZIPPED_MAX_BYTES, "zipped")


def refuse_unpacked(size_bytes: int, label: str) -> None:
    """Raise `PackageError` where files are over the limit together."""
    if size_bytes > UNPACKED_MAX_BYTES:
        _refuse(label, UNPACKED_MAX_BYTES, "unpacked")


def _refuse(label: str, limit_bytes: int, state: str) -> None:
    message = f"the package of {label} is over the cloud's limit of {limit_bytes // _MB} MB {state}"
    raise PackageError(message, advice="leave files out with `exclude` or .orchestratorignore, or mount a bucket")
