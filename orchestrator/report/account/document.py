"""An account as JSON values: its fields under their names, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from orchestrator.report.account.view import ReportView

SCHEMA = "orchestrator/report/1"  # raised when a key changes its meaning or is removed, not when one is added

_NAMES: dict[type[Any], tuple[str, ...]] = {}  # of each type's fields, once it was met


def account_json(value: Any) -> Any:
    """Return an account, or a part of it, as JSON values."""
    kind = type(value)
    if kind in (str, float, int, bool) or value is None:
        return value
    if kind in (tuple, list):
        return [account_json(item) for item in value]
    if is_dataclass(value):
        names = _NAMES.get(kind) or _NAMES.setdefault(kind, tuple(field.name for field in fields(value)))
        return {name: account_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): account_json(item) for key, item in value.items()}
    return value


def report_json(view: ReportView) -> tuple[str, dict[str, Any]]:
    """Return the schema and the document of an account."""
    document: dict[str, Any] = account_json(view.account)
    return SCHEMA, document
