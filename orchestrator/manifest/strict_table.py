"""What all tables of `deploy.toml` have in common: they are strict, and every key says what it means."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.manifest.lists import LISTS


def a_key(description: str, **constraints: Any) -> Any:
    """A key that may be left out."""
    return Field(default=None, description=description, **constraints)


def list_key(key: str, description: str) -> Any:
    """A list, which says how those of several tables become one."""
    return Field(default=None, description=f"{description} {LISTS[key].said}".rstrip())


def needed_key(description: str, **constraints: Any) -> Any:
    """A key that must be there wherever its table is."""
    return Field(description=description, **constraints)


def needed_list(key: str, description: str) -> Any:
    """A list that must be there wherever its table is."""
    return Field(description=f"{description} {LISTS[key].said}".rstrip())


class StrictTable(BaseModel):
    """A table: no unknown keys, no conversions of types."""

    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)
