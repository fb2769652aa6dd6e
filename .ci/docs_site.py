"""What the site needs besides docs/: the changelog, and replacements for links into the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_INTO_REPOSITORY = re.compile(r"\[([^\]]+)\]\((\.\./[^)]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the files that are at the top of the repository."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - only in the environment of `make docs`

    files.append(File.generated(config, "changelog.md", abs_src_path=str(ROOT / "CHANGELOG.md")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Replace a link to a file of the repository by its name. Raises `FileNotFoundError` if the file does not exist."""
    del config, files
    if page.file.src_uri == "changelog.md":  # it is not in docs/ itself
        markdown = markdown.replace("](docs/", "](")

    def name(found: re.Match[str]) -> str:
        path = (ROOT / "docs" / found[2].partition("#")[0]).resolve(strict=True)
        return f"{found[1]} (`{path.relative_to(ROOT)}`)" if found[1].strip("`") not in found[2] else found[1]

    return _INTO_REPOSITORY.sub(name, markdown)
