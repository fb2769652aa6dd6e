"""Values with sensible defaults, so that a test names only what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.model import (
    BucketPackage,
    Function,
    FunctionSpec,
    Place,
    Settings,
    SourceCode,
    Tree,
    Version,
)


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {
        "runtime": "python312", "entrypoint": "index.handler", "memory_bytes": 128 * 1024 * 1024,
        "execution_timeout_s": 10.0,
    }  # fmt: skip
    return Settings(**(given | changes))


def source(path: str = "/src", **changes: Any) -> SourceCode:
    return SourceCode(Path(path), Path(path), **changes)


def spec(key: str = "f", *, folder_id: str = "folder", **changes: Any) -> FunctionSpec:
    given: dict[str, Any] = {
        "name": key, "settings": settings(), "code": BucketPackage("bucket", f"{key}.zip", "0" * 64),
        "place": Place("deploy.toml", 1),
    }  # fmt: skip
    return FunctionSpec(key=key, folder_id=folder_id, **(given | changes))


def tree(digest: str = "a" * 64, paths: tuple[str, ...] = ("index.py",)) -> Tree:
    return Tree(digest, 10, paths)


def function(name: str = "f", *, id: str = "", folder_id: str = "folder") -> Function:
    return Function(id or f"id-{name}", folder_id, name)


def version(
    id: str, function_id: str, *, tags: tuple[str, ...] = ("$latest",), status: str = "ACTIVE", **raw: Any
) -> Version:
    return Version(id, function_id, status, raw.get("description", ""), None, tags, raw)
