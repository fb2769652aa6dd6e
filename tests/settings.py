"""Settings of every kind for property tests, all of which the API accepts."""

from __future__ import annotations

from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase, digits
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


def words(first: str, further: str, min_size: int, max_size: int) -> st.SearchStrategy[str]:
    """Return words of one letter of `first` and this many of `further`: five times as fast as a regular expression."""
    return st.builds(str.__add__, st.sampled_from(first), st.text(further, min_size=min_size, max_size=max_size))


_names = words(ascii_uppercase, ascii_uppercase + digits + "_", 0, 8)
_ids = words(ascii_lowercase, ascii_lowercase + digits, 5, 12)
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


# Made once: a strategy that is made for each draw is validated each time.
_environments = st.dictionaries(_names, _texts, max_size=4)
_secrets = st.lists(st.builds(Secret, _names, _ids, _ids, st.none(), _ids), max_size=3)
_others: dict[str, st.SearchStrategy[Any]] = {
    "memory_bytes": st.sampled_from([1 << 30, 2 << 30]),
    "execution_timeout_s": st.sampled_from([1.0, 3.5, 600.0]),
    "description": _texts.map(str.strip),
    "service_account_id": st.none() | _ids,
    "named_service_accounts": st.dictionaries(_ids, _ids, max_size=2),
    "tags": st.sets(_ids, max_size=3).map(lambda tags: tuple(sorted(tags))),
    "connectivity": st.none() | st.builds(Connectivity, _ids),
    "log": st.none() | _logs,
    "mounts": st.lists(_mounts, max_size=3, unique_by=lambda mount: mount.name).map(tuple),
    "async_invocation": st.none()
    | st.builds(AsyncInvocation, st.sampled_from([None, 3]), st.none() | _ids, _targets, _targets),
    "tmpfs_size_bytes": st.sampled_from([None, 512 << 20]),
    "concurrency": st.sampled_from([None, 1]),
    "metadata": st.none() | st.builds(MetadataOptions, st.booleans(), st.booleans()),
}


@st.composite
def _any_settings(draw: st.DrawFn) -> Settings:
    environment = draw(_environments)
    secrets = {one.environment_variable: one for one in draw(_secrets)}
    changes = {name: draw(values) for name, values in _others.items()}
    changes["environment"] = environment
    changes["secrets"] = tuple(one for name, one in secrets.items() if name not in environment)
    return replace(settings(), **changes)


_ANY = _any_settings()


def any_settings() -> st.SearchStrategy[Settings]:
    """Return settings that may have any content."""
    return _ANY
