"""The parameters that a job's file declares, read without running it: for shell completion.

What the file does not write down as a table of names is not found, and neither is what a file outside the program and
the job's own declares.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import orchestrator

_NAME = "PARAMETERS"
_DEPTH_MAX = 6  # of names that stand for others
_BYTES_MAX = 1 << 20  # of a file


def builtin_folder() -> Path:
    """Return the folder of the built-in jobs: inside the installed package, or beside it in a checkout."""
    package = Path(orchestrator.__file__).parent
    inside = package / "jobs"
    return inside if inside.is_dir() else package.parent / "jobs"


def declared_parameters(run: str, project: Path) -> Mapping[str, str]:
    """Return the parameters of a job, and what each is. `run`: as [jobs.NAME] has it; `project`: the folder of
    deploy.toml. Empty if the job does not exist or cannot be read.
    """
    for folder in (project / "jobs", builtin_folder()):
        path = folder / f"{run}.py"
        with suppress(OSError, ValueError):
            if path.parent == folder and path.is_file():
                return _found(path, _NAME, 0)
    return {}


def _found(path: Path, name: str, depth: int) -> dict[str, str]:
    """Return the table that a name has in a file. Raises `OSError`, `ValueError` if the file cannot be read."""
    if depth > _DEPTH_MAX or path.stat().st_size > _BYTES_MAX:
        return {}
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, RecursionError, MemoryError):
        return {}
    for statement in reversed(body):
        if isinstance(statement, ast.ImportFrom) and not statement.level:
            for one in statement.names:
                if (one.asname or one.name) == name:
                    return _of_module(statement.module or "", one.name, depth)
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        if value is not None and any(isinstance(one, ast.Name) and one.id == name for one in targets):
            return _table(value, path, body, depth + 1)
    return {}


def _table(value: ast.expr, path: Path, body: list[ast.stmt], depth: int) -> dict[str, str]:
    """Return the names and descriptions of an expression: a table, a name for one, or several of them together."""
    match value:
        case ast.Dict(keys, values):
            found: dict[str, str] = {}
            for key, item in zip(keys, values, strict=True):
                if key is None:
                    found |= _table(item, path, body, depth)
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found[key.value] = _described(item) or found.get(key.value, "")
            return found
        case ast.BinOp(left, ast.BitOr(), right):
            return _table(left, path, body, depth) | _table(right, path, body, depth)
        case ast.Name(name):
            return _found(path, name, depth)
        case ast.Attribute(ast.Name(module), name):
            for one in body:
                if isinstance(one, ast.ImportFrom) and any((a.asname or a.name) == module for a in one.names):
                    named = next(a.name for a in one.names if (a.asname or a.name) == module)
                    return _of_module(f"{one.module}.{named}", name, depth)
    return {}


def _described(value: ast.expr) -> str:
    """Return the description of `Parameter("description", ...)`."""
    match value:
        case ast.Call(args=[ast.Constant(str() as text), *_]):
            return text
    return ""


def _of_module(module: str, name: str, depth: int) -> dict[str, str]:
    """Return the table that a module of this program has."""
    first, *rest = module.split(".")
    if first != orchestrator.__name__:
        return {}
    path = Path(orchestrator.__file__).parent.joinpath(*rest)
    return _found(path.with_suffix(".py") if not path.is_dir() else path / "__init__.py", name, depth + 1)
