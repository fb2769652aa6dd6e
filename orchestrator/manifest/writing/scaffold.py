"""The text of a first manifest for functions that were found, for people to continue with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from orchestrator.manifest.findings import dotted
from orchestrator.manifest.writing.toml_text import comment, literal, toml_value

_SHARED = ("runtime", "entrypoint")  # keys that are put in [defaults] if most functions share them
_FOLDER_VARIABLE = "YC_FOLDER_ID"
NO_REASONS = MappingProxyType(dict[str, str]())


def scaffold_text(
    functions: Mapping[str, Mapping[str, Any]], folder_id: str, bucket: str, runtime_why: Mapping[str, str] = NO_REASONS
) -> str:
    """Return a manifest. `functions`: their keys by name, with `source`, `runtime` and `entrypoint`. `folder_id`,
    `bucket`: "" for none. `runtime_why`: sentences by function, written next to the runtime.
    """
    shared = _shared(list(functions.values()))
    reasons = Counter(runtime_why.get(name, "") for name, keys in functions.items() if _has(keys, shared, "runtime"))
    shared_why = reasons.most_common(1)[0][0] if reasons else ""
    blocks = [
        [
            "# Created by `orchestrator init`. All keys: docs/manifest.md, and `orchestrator schema`.",
            "[cloud]",
            f"folder_id = {toml_value(literal(folder_id))}"
            if folder_id
            else f'folder_id = "${{{_FOLDER_VARIABLE}}}"   # set this variable, or write the ID of the folder here',
        ],
        ["[storage]", f"bucket = {toml_value(literal(bucket))}"]
        if bucket
        else ["# [storage]              # for packages over 3.5 MB, and to keep two machines apart", '# bucket = "…"'],
        [
            "[defaults]",
            'memory = "128MB"',
            'timeout = "10s"',
            "create = true           # create functions that the folder does not have yet",
            *(_line(key, value, shared_why) for key, value in shared.items()),
        ],
        *(
            list(_function(name, keys, shared, shared_why, runtime_why.get(name, "")))
            for name, keys in functions.items()
        ),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _shared(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the values that most functions share; empty for a single function."""
    found = {}
    for key in _SHARED:
        value, count = Counter(keys[key] for keys in functions).most_common(1)[0]
        if count > 1 and count * 2 > len(functions):
            found[key] = value
    return found


def _has(keys: Mapping[str, Any], shared: Mapping[str, Any], key: str) -> bool:
    return key in shared and shared[key] == keys[key]


def _function(
    name: str, keys: Mapping[str, Any], shared: Mapping[str, Any], shared_why: str, why: str
) -> Iterator[str]:
    """Return a function. The reason for its runtime is a comment next to that, or above all if it is in [defaults]."""
    if _has(keys, shared, "runtime") and why != shared_why:
        yield comment(f"{keys['runtime']}: {why}")
    yield f"[{dotted(('functions', name))}]"
    yield from (_line(key, value, why) for key, value in keys.items() if shared.get(key) != value)


def _line(key: str, value: Any, why: str) -> str:
    """Return a key's line; for the runtime with the reason."""
    line = f"{key} = {toml_value(literal(value))}"
    return f"{line}   {comment(why)}" if why and key == "runtime" else line
