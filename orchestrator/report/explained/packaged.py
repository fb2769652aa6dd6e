"""The contents of a function's package, and how it differs from the live one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from orchestrator.package.archive import PackedFile
from orchestrator.planning.packed_files import PackageDifference
from orchestrator.report.explained.function_views import PackageView
from orchestrator.report.plain_text import aligned, counted

_MODES = {"-": "0644", "x": "0755", "l": "link"}
_SUM_CHARS = 16  # hex digits of a file's SHA-256 that are shown


def package_text(view: PackageView) -> str:
    """Return the text for people."""
    if view.difference is not None:
        return "\n".join(_difference(view, view.difference))
    if view.zip is not None:
        return f"wrote {view.zip.path}: {view.zip.size_bytes:,} bytes, sha256 {view.zip.sha256}"
    head = ("mode", "bytes", "sha256", "file")
    rows = [(_mode(one), f"{one.size_bytes:,}", one.sha256[:_SUM_CHARS], one.name) for one in view.files]
    return "\n".join([aligned(head, rows, width=None, numbers=frozenset({"bytes"})), *_sums(view)])


def _mode(one: PackedFile) -> str:
    return _MODES.get(one.mode, one.mode)


def _sums(view: PackageView) -> Iterator[str]:
    hint = "" if view.verbose or not view.left_out else " (--verbose lists them)"
    left_out = f"; left out: {counted(len(view.left_out), 'path')}{hint}" if view.left_out else ""
    yield f"{view.function}: {counted(len(view.files), 'file')}, {view.tree.size_bytes:,} bytes unpacked{left_out}"
    yield from (f"left out: {name} ({rule})" for name, rule in view.left_out.items() if view.verbose)
    yield from (f"warning: {warning}" for warning in view.tree.warnings)


def _difference(view: PackageView, found: PackageDifference) -> Iterator[str]:
    if found.files is None:
        yield f"{view.function}: cannot compare: {found.why}"
        return
    names = found.files.signed()
    yield from names
    if not found.version_id:
        yield f"{view.function}: no live version yet: {counted(len(names), 'new file')}"
    elif names:
        files, of = found.files, f"from the package of version {found.version_id}"
        counts = ((len(files.changed), "changed"), (len(files.added), "new"), (len(files.removed), "removed"))
        text = ", ".join(f"{count} {what}" for count, what in counts if count)
        yield f"{view.function}: {counted(len(names), 'file')} differ{'s' if len(names) == 1 else ''} {of}: {text}"
    else:
        yield f"{view.function}: no file differs from the package of version {found.version_id}"


def package_json(view: PackageView) -> dict[str, Any]:
    """Return it as JSON values. `tree_sha256`: of all files, which a plan compares; `difference`: with --diff."""
    document: dict[str, Any] = {
        "function": view.function,
        "tree_sha256": view.tree.hash,
        "size_bytes": view.tree.size_bytes,
    }
    found = view.difference
    if found is not None:
        files = asdict(found.files) if found.files is not None else None
        return document | {"difference": {"version_id": found.version_id or None, "files": files, "why": found.why}}
    return document | {
        "files": [_file(one) for one in view.files],
        "left_out": [{"path": name, "rule": rule} for name, rule in view.left_out.items()],
        "zip": asdict(view.zip) | {"path": str(view.zip.path)} if view.zip is not None else None,
    }


def _file(one: PackedFile) -> dict[str, Any]:
    return {"path": one.name, "size_bytes": one.size_bytes, "mode": _mode(one), "sha256": one.sha256}
