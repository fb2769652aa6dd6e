"""The table of docs/rollback.md, generated from the rows that a test plays: `python -m tests.rollback_page` writes
it.
"""

from __future__ import annotations

from pathlib import Path

from tests.flow.back_rows import ROWS

PAGE = Path(__file__).parent.parent / "docs" / "rollback.md"
BEGIN, END = "<!-- rows: made by `python -m tests.rollback_page` -->\n", "<!-- end of rows -->\n"


def page(text: str) -> str:
    """Return the page with the table between its marks."""
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    """Return the table, one row per situation."""
    rows = [
        "| situation | the rollback | its exit code | the next plan with the run's manifest | with the former one |"
    ]
    rows.append("| --- | --- | --- | --- | --- |")
    rows += [f"| {row.situation} | {row.does} | {row.exit} | {row.new} | {row.old} |" for row in ROWS]
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
