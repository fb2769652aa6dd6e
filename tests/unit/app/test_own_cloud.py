"""`cloud_id` is compared with the cloud of each folder in resource-manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.app.session.opening.own_cloud import check_own_cloud
from orchestrator.errors import CloudError, Code, ManifestError, OrchestratorError, UsageError
from orchestrator.manifest.load import load
from orchestrator.prediction.virtual_time import run

CLOUD = '[cloud]\ncloud_id = "own"\n'
FUNCTION = (
    '[functions.fun]\nsource = "."\nruntime = "python312"\nentrypoint = "i.h"\nmemory = "128MB"\nfolder_id = "a"\n'
)


class Reported:
    """A session whose resource-manager returns this for folders; an error code is raised."""

    def __init__(self, root: Path, reported: Mapping[str, str | Code | None], text: str, **environ: str) -> None:
        (root / "deploy.toml").write_text(text + FUNCTION)
        self.request = SimpleNamespace(manifest=load(root / "deploy.toml", environ))
        self.world, self.directory, self.messages = self, self, self
        self.endpoint = "https://cloud"
        self._reported = reported
        self.asked: list[str] = []
        self.said: list[str] = []

    async def read(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return await call()

    async def cloud_of(self, folder_id: str) -> str | None:
        self.asked.append(folder_id)
        found = self._reported[folder_id]
        if isinstance(found, Code):
            raise CloudError("no", call="get folder", code=found)
        return found

    def mention(self, text: str) -> None:
        self.said.append(text)

    def check(self) -> OrchestratorError | None:
        session: Any = self
        try:
            run(lambda: check_own_cloud(session, self._reported))
        except OrchestratorError as error:
            return error
        return None


def test_a_folder_of_another_cloud_is_named_with_the_line(tmp_path: Path) -> None:
    error = Reported(tmp_path, {"a": "own", "b": "other", "c": None}, f"# one\n{CLOUD}").check()
    assert isinstance(error, ManifestError)
    (mistake,) = error.mistakes
    assert (mistake.line, mistake.key) == (3, "cloud.cloud_id")
    assert mistake.rule.startswith("it is own, and folder b is in cloud other; ")


def test_several_clouds_are_all_named(tmp_path: Path) -> None:
    error = Reported(tmp_path, {"a": "one", "b": "two"}, "", YC_CLOUD_ID="own").check()
    assert isinstance(error, UsageError)
    assert error.message == "YC_CLOUD_ID is own, and folders a, b are in clouds one, two"
    assert error.advice.startswith("correct YC_CLOUD_ID, or unset it")


@pytest.mark.parametrize("unreported", [None, Code.PERMISSION_DENIED, Code.UNAVAILABLE])
def test_what_nobody_tells_is_said_and_taken_as_it_is(tmp_path: Path, unreported: Code | None) -> None:
    reported = Reported(tmp_path, {"a": "own", "b": unreported, "c": unreported}, CLOUD)
    assert reported.check() is None
    (said,) = reported.said
    assert said.startswith("cloud.cloud_id = own could not be checked: folders b, c are in an unknown cloud")
    reported = Reported(tmp_path, {"b": unreported}, "", YC_CLOUD_ID="own")
    assert reported.check() is None
    assert reported.said[0].startswith("YC_CLOUD_ID = own could not be checked: folder b is in an unknown cloud")


def test_the_file_wins_over_the_variable(tmp_path: Path) -> None:
    assert Reported(tmp_path, {"a": "own"}, CLOUD, YC_CLOUD_ID="other").check() is None


def test_nothing_is_asked_where_no_cloud_is_named(tmp_path: Path) -> None:
    reported = Reported(tmp_path, {"a": "one"}, "")
    assert reported.check() is None
    assert reported.asked == reported.said == []


def test_the_sandbox_of_a_run_is_no_cloud_of_anybodys(tmp_path: Path) -> None:
    reported = Reported(tmp_path, {"a": "one"}, CLOUD)
    reported.endpoint = "sandbox"
    assert reported.check() is None
    assert reported.asked == []
