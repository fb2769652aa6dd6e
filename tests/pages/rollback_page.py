"""The table of docs/rollback.md, generated from the rows that a test plays."""

from __future__ import annotations

from tests.flow.back_rows import ROWS


def table() -> str:
    """Return the table, one row per situation."""
    rows = [
        "| situation | the rollback | its exit code | the next plan with the run's manifest | with the former one |"
    ]
    rows.append("| --- | --- | --- | --- | --- |")
    rows += [f"| {row.situation} | {row.does} | {row.exit} | {row.new} | {row.old} |" for row in ROWS]
    return "\n".join([*rows, ""])
