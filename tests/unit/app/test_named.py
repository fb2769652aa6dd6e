"""What a manifest mentions in its text is kept, and a missing file is an error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.app.session.leftovers.named import named_in
from orchestrator.errors import StartError
from orchestrator.manifest.load import load


def test_what_stands_anywhere_in_the_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text('# once d4eaaaaaaaaaaaaaaaaa\n[jobs.clean]\nrun = "prune"\n')
    manifest, ids = load(path, {}), re.compile(r"\b[a-z0-9]{20}\b")
    assert named_in(manifest, ids) == {"d4eaaaaaaaaaaaaaaaaa"}
    path.unlink()
    with pytest.raises(StartError, match="its references are unknown"):
        named_in(manifest, ids)
