"""Writes all generated pages."""

from __future__ import annotations

from tests.pages import BODIES, DOCS, page

if __name__ == "__main__":
    for name in BODIES:
        (DOCS / name).write_text(page(name), "utf-8")
