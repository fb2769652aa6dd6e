"""A bucket that does not exist: the message says where its name is set."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from orchestrator.app.session.opening.bucket import check_bucket
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.model import Storage


class NoBucket:
    """A store in which there is no bucket."""

    def __init__(self, code: Code) -> None:
        self.code = code

    async def check(self, _bucket: str) -> None:
        raise CloudError("no bucket", call="head", code=self.code, advice="correct its name")


@pytest.mark.parametrize(
    ("code", "set_by", "advice"),
    [
        (Code.NOT_FOUND, "", "correct its name in [storage] (deploy.toml:2)"),
        (Code.NOT_FOUND, "--bucket", "correct its name in --bucket"),
        (Code.NOT_FOUND, "ORCHESTRATOR_BUCKET", "correct its name in ORCHESTRATOR_BUCKET"),
        (Code.PERMISSION_DENIED, "--bucket", "correct its name"),  # the name is right
    ],
)
def test_the_place_of_a_wrong_name_is_shown(
    code: Code, set_by: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.toml").write_text('[storage]\nbucket = "no-such-bucket"\n', "utf-8")
    world: Any = SimpleNamespace(store=NoBucket(code), storage=Storage("no-such-bucket", bucket_from=set_by))
    manifest: Any = SimpleNamespace(path=tmp_path / "deploy.toml", environment="")
    with pytest.raises(StartError) as caught:
        anyio.run(check_bucket, world, manifest)
    assert caught.value.advice == advice
