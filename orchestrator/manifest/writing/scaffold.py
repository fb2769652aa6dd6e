"""The text of a first manifest: of functions that were found, in a form that people go on with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.manifest.findings import dotted
from orchestrator.manifest.writing.toml_text import literal, toml_value

_SHARED = ("runtime", "entrypoint")  # keys that go to [defaults] where most functions have the same
_FOLDER_VARIABLE = "YC_FOLDER_ID"


def scaffold_text(functions: Mapping[str, Mapping[str, Any]], folder_id: str, bucket: str) -> str:
    """Write a manifest. `functions`: their keys by name, `source`, `runtime` and `entrypoint` among them. `folder_id`,
    `bucket`: "" for none.
    """
    shared = _shared(list(functions.values()))
    blocks = [
        [
            "# Made by `orchestrator init`. What each key means: docs/manifest.md, and `orchestrator schema`.",
            "[cloud]",
            f"folder_id = {toml_value(literal(folder_id))}"
            if folder_id
            else f'folder_id = "${{{_FOLDER_VARIABLE}}}"   # set this variable, or write the id of the folder here',
        ],
        ["[storage]", f"bucket = {toml_value(literal(bucket))}"]
        if bucket
        else ["# [storage]              # for packages over 3.5 MB, and to keep two machines apart", '# bucket = "…"'],
        [
            "[defaults]",
            'memory = "128MB"',
            'timeout = "10s"',
            "create = true           # make functions that the folder does not have yet",
            *(f"{key} = {toml_value(literal(value))}" for key, value in shared.items()),
        ],
        *(list(_function(name, keys, shared)) for name, keys in functions.items()),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _shared(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Find what most functions have in common; nothing, where there is but one."""
    found = {}
    for key in _SHARED:
        value, count = Counter(keys[key] for keys in functions).most_common(1)[0]
        if count > 1 and count * 2 > len(functions):
            found[key] = value
    return found


def _function(name: str, keys: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{dotted(('functions', name))}]"
    yield from (f"{key} = {toml_value(literal(value))}" for key, value in keys.items() if shared.get(key) != value)
