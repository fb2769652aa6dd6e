"""Settings of every kind for property tests: each is one that the API takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    Connectivity,
    LogOptions,
    MetadataOptions,
    Mount,
    Secret,
    Settings,
)
from tests.builders import settings

_names = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
_ids = st.from_regex(r"[a-z][a-z0-9]{5,12}", fullmatch=True)
_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)
_targets = st.one_of(st.just(AsyncTarget()), st.builds(AsyncTarget, st.just("yrn:yc:ymq:ru-central1:b1g:q"), _ids))
_mounts = st.one_of(
    st.builds(Mount, _ids, st.sampled_from(["read_only", "read_write"]), bucket=_ids, prefix=st.none() | st.just("p/")),
    st.builds(
        Mount,
        _ids,
        st.just("read_write"),
        disk_size_bytes=st.just(1 << 30),
        block_size_bytes=st.sampled_from([None, 4096]),
    ),
)
_logs = st.one_of(
    st.builds(LogOptions, disabled=st.just(True)),
    st.builds(LogOptions, group_id=_ids, min_level=st.sampled_from([None, "WARN", "TRACE"])),
    st.builds(LogOptions, folder_id=_ids, min_level=st.sampled_from([None, "FATAL"])),
)


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    """Draw settings that may have anything in them."""
    environment = draw(st.dictionaries(_names, _texts, max_size=4))
    secrets = draw(st.lists(st.builds(Secret, _names, _ids, _ids, st.none(), _ids), max_size=3))
    mounts = draw(st.lists(_mounts, max_size=3, unique_by=lambda mount: mount.name))
    memory = draw(st.sampled_from([1 << 30, 2 << 30]))
    changes: dict[str, Any] = {
        "memory_bytes": memory,
        "execution_timeout_s": draw(st.sampled_from([1.0, 3.5, 600.0])),
        "description": draw(_texts).strip(),
        "service_account_id": draw(st.none() | _ids),
        "environment": environment,
        "named_service_accounts": draw(st.dictionaries(_ids, _ids, max_size=2)),
        "secrets": tuple(
            {one.environment_variable: one for one in secrets if one.environment_variable not in environment}.values()
        ),
        "tags": tuple(sorted(draw(st.sets(_ids, max_size=3)))),
        "connectivity": draw(st.none() | st.builds(Connectivity, _ids)),
        "log": draw(st.none() | _logs),
        "mounts": tuple(mounts),
        "async_invocation": draw(
            st.none() | st.builds(AsyncInvocation, st.sampled_from([None, 3]), st.none() | _ids, _targets, _targets)
        ),
        "tmpfs_size_bytes": draw(st.sampled_from([None, 512 << 20])),
        "concurrency": draw(st.sampled_from([None, 1])),
        "metadata": draw(st.none() | st.builds(MetadataOptions, st.booleans(), st.booleans())),
    }
    return replace(settings(), **changes)
