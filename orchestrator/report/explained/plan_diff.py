"""What changes of one function, as a diff: settings of its Version, of the Function itself, and new tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.function.access import opens
from orchestrator.function.fields import FUNCTION_FIELDS, in_words, said_of
from orchestrator.model import LATEST, Action, Change, ChangeKind, SettingChange, Unit
from orchestrator.report.plain_text import cells, counted, pad
from orchestrator.report.unit_words import reason_words
from orchestrator.version.rings import without_rings

_FEW = 5  # settings shown per function, unless all are
_INDENT = " " * 6
_OWN = (ChangeKind.UPDATE, ChangeKind.SCALING, ChangeKind.ACCESS)  # changes of the Function's own settings
_ROWS = {row.api: row for row in FUNCTION_FIELDS}


def setting_lines(changes: Sequence[SettingChange], *, whole: bool) -> list[str]:
    """Return `~ memory 128MB → 256MB`, `+ environment NAME`, `- environment NAME`, with aligned labels; only the first
    few unless `whole`.
    """
    shown = changes if whole or len(changes) <= _FEW + 1 else changes[:_FEW]
    width = max((cells(change.label) for change in shown), default=0)
    lines = [f"{_INDENT}{change.sign} {pad(change.label, width)} {change.what}" for change in shown]
    left = len(changes) - len(shown)
    return [*lines, f"{_INDENT}… and {counted(left, 'setting')} more (--verbose lists them)"] if left else lines


def reason_and_settings(unit: Unit, *, verbose: bool) -> tuple[str, list[str]]:
    """Return why there is a new Version, and lines for the settings that it changes. If a single setting is all there
    is to say, it replaces the reason.
    """
    own = [one for one in unit.changes if one.kind in _OWN and in_words(one) in unit.reason]
    changes = (*unit.settings, *(one for change in own for one in own_setting_changes(change)), *_new_tags(unit))
    lines, reason = setting_lines(changes, whole=verbose), reason_words(unit, whole=verbose)
    if not lines:
        return reason, []
    for text in (unit.settings_text, *map(in_words, own)):
        before, _, after = reason.partition(text) if text else (reason, "", "")
        reason = "; ".join(part for part in (before.rstrip(";: "), after.lstrip("; ")) if part)
    if len(lines) == 1 and not reason:
        return lines[0].strip(), []
    return reason or "settings changed", lines


def own_setting_changes(change: Change) -> Iterator[SettingChange]:
    """Yield what a change of the Function's own settings changes: `~ label team: a → b`, `+ scaling stable: …`."""
    if change.kind is ChangeKind.ACCESS:
        yield SettingChange("~", "public", "no → yes" if opens(change) else "yes → no")
        return
    for name, after in change.after.items():
        row, before = _ROWS[name], change.before[name]
        if not row.mapped:
            yield SettingChange("~", row.label, "changed")
            continue
        for key in after:
            sign = "+" if before[key] is None else "-" if after[key] is None else "~"
            values = " → ".join(said_of(value) for value in (before[key], after[key]) if value is not None)
            yield SettingChange(sign, row.label.removesuffix(" of"), f"{key}: {values}")


def _new_tags(unit: Unit) -> Iterator[SettingChange]:
    """Yield the tags that a new Version gets and that no Version has; others are a part of the reason."""
    for change in unit.changes if unit.action is Action.VERSION else ():
        if change.kind is ChangeKind.VERSION:
            tags = without_rings(tag for tag, holder in change.before.items() if holder == "")
            yield from (SettingChange("+", "tag", tag) for tag in tags if tag != LATEST)
