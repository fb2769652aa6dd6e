"""The builder: checks a version's package, as the cloud does while it makes the version."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestrator.errors import Code
from orchestrator.sandbox.memory.faults import Fault
from orchestrator.sandbox.memory.objects import RefusedError

Objects = Callable[[str, str], bytes | Path | None]

ZIPPED_MAX_BYTES = 128 << 20  # cloud-api#limits
UNPACKED_MAX_BYTES = 680 << 20
NOT_A_ZIP = "Исходный архив не является валидным ZIP архивом"  # as seen in practice (cloud-api#packages)
_INSTALLS = ("requirements.txt", "package.json", "go.mod", "pom.xml", "composer.json", "build.gradle")


@dataclass(frozen=True, slots=True)
class Archive:
    """The content of a zip. `names`: None if it is not a zip."""

    sha256: str
    size_bytes: int
    unpacked_bytes: int = 0
    names: frozenset[str] | None = None


def open_package(source: dict[str, Any], objects: Objects) -> Archive:
    """Check `content` (raw) or `package`. Raises `Fault`, which becomes the Operation's error."""
    if "content" in source:
        return _checked(_read(source["content"]), None)
    package = source["package"]
    bucket, name = package["bucketName"], package["objectName"]
    try:
        found = objects(bucket, name)
    except RefusedError as error:
        raise Fault(Code.INVALID_ARGUMENT, f"Object storage bucket {bucket}: {error}") from None
    if found is None:
        raise Fault(Code.INVALID_ARGUMENT, f"Object storage object {name} not found in bucket {bucket}")
    return _checked(read_file(found) if isinstance(found, Path) else _read(found), package.get("sha256"))


def check_entry(archive: Archive, runtime: str, entrypoint: str) -> None:
    """Check the file in the entry point, which Python and Bash require."""
    names = archive.names or frozenset()
    if runtime.startswith("bash") and entrypoint not in names:
        raise Fault(Code.INVALID_ARGUMENT, f"Entrypoint file {entrypoint} not found in the package")
    if runtime.startswith("python"):
        module = entrypoint.rpartition(".")[0]
        path = module.replace(".", "/")
        if not names & {f"{module}.py", f"{path}.py", f"{path}/__init__.py"}:
            raise Fault(Code.INVALID_ARGUMENT, f"Entrypoint file {module or entrypoint}.py not found in the package")


def installs(archive: Archive) -> bool:
    """Return whether the builder has to install or compile something, which takes longer."""
    return archive.names is not None and any(name in archive.names for name in _INSTALLS)


def _checked(archive: Archive, sha256: str | None) -> Archive:
    if sha256 and sha256.lower() != archive.sha256:
        raise Fault(
            Code.INVALID_ARGUMENT,
            f"SHA256 of the package does not match: expected {sha256}, the object has {archive.sha256}",
        )
    if archive.names is None:
        raise Fault(Code.INVALID_ARGUMENT, NOT_A_ZIP)
    for what, size_bytes, limit in (
        ("zip archive", archive.size_bytes, ZIPPED_MAX_BYTES),
        ("unpacked code", archive.unpacked_bytes, UNPACKED_MAX_BYTES),
    ):
        if size_bytes > limit:
            raise Fault(Code.INVALID_ARGUMENT, f"The {what} exceeds the maximum size of {limit} bytes")
    return archive


def _read(content: bytes) -> Archive:
    names, unpacked = _names(io.BytesIO(content))
    return Archive(hashlib.sha256(content).hexdigest(), len(content), unpacked, names)


@lru_cache(maxsize=1024)  # a stored object's file never changes: a new object has a new file
def read_file(path: Path) -> Archive:
    """Read a stored object's file. Results are cached."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        names, unpacked = _names(file)
    return Archive(digest, path.stat().st_size, unpacked, names)


def _names(file: Any) -> tuple[frozenset[str] | None, int]:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None, 0
    return frozenset(entry.filename for entry in entries), sum(entry.file_size for entry in entries)
