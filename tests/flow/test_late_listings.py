"""Listings that lag behind finished Operations are read again for some seconds, then reported as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.engine.read_back import LAG_S
from orchestrator.engine.verdicts import exit_code
from orchestrator.errors import CloudError, Code, Exit
from orchestrator.model import LATEST, Failed, Unknown, Version
from tests.engine import Bench, RecordingFunctions, sources
from tests.flow.test_run import kinds

LENGTH_S = 2.0


class LateFunctions(RecordingFunctions):
    """Returns a version only some seconds after its Operation is done; until then `$latest` is the one before."""

    def __init__(self, bench: Bench, late_s: float) -> None:
        super().__init__(bench.wire)
        self._bench, self._late_s = bench, late_s

    def _shown(self, version: Version) -> bool:
        assert version.created_at is not None
        return self._bench.now() >= version.created_at.timestamp() + LENGTH_S + self._late_s

    async def list_versions(self, folder_id: str, *, filter: str = "", function_id: str = "") -> tuple[Version, ...]:
        found = await super().list_versions(folder_id, filter=filter, function_id=function_id)
        return tuple(one for one in found if self._shown(one))

    async def get_version(self, version_id: str) -> Version:
        found = await super().get_version(version_id)
        if not self._shown(found):
            raise CloudError("no such version", call="getVersion", code=Code.NOT_FOUND, http_status=404)
        return found

    async def version_by_tag(self, function_id: str, tag: str) -> Version:
        found = await super().version_by_tag(function_id, tag)
        if tag != LATEST or self._shown(found):
            return found
        older = [one for one in await self.list_versions("folder") if one.function_id == function_id]
        if not older:
            raise CloudError("no such tag", call="getVersionByTag", code=Code.NOT_FOUND, http_status=404)
        return max(older, key=lambda one: str(one.created_at))


def bench_of(root: Path, late_s: float) -> Bench:
    bench = Bench(root, durations=f"fixed:{LENGTH_S}")
    bench.functions = LateFunctions(bench, late_s)
    return bench


@pytest.mark.parametrize("count", [1, 12], ids=["each is read", "the folder is listed"])
@pytest.mark.parametrize("late_s", [0.0, 2.0, LAG_S - 3.0])
def test_what_is_shown_late_is_looked_for_again(late_s: float, count: int, tmp_path: Path) -> None:
    bench = bench_of(tmp_path, late_s)
    manifest = sources(tmp_path, count)
    for text in (manifest, manifest.replace("128MB", "256MB")):
        outcomes = bench.deploy(text)
        assert kinds(outcomes) == {"Deployed": count}
        assert exit_code(outcomes.values(), interrupted=False) is Exit.DONE
        bench.pass_time(60.0)
    assert len(bench.versions()) == 2 * count


def test_what_is_never_shown_is_unknown_after_some_seconds(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, 10_000.0)
    (outcome,) = bench.deploy(sources(tmp_path, 1)).values()
    assert isinstance(outcome, Unknown)
    assert bench.seconds < LENGTH_S + LAG_S + 5


def test_a_foreign_version_is_reported_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, durations=f"fixed:{LENGTH_S}")
    whole = bench.functions.version_by_tag

    async def version_by_tag(function_id: str, tag: str) -> Version:
        found = await whole(function_id, tag)
        return replace(found, id="foreign")

    made = bench.functions.get_version

    async def get_version(version_id: str) -> Version:
        return replace(await made(version_id), tags=())

    bench.functions.version_by_tag = version_by_tag  # type: ignore[method-assign]
    bench.functions.get_version = get_version  # type: ignore[method-assign]
    (outcome,) = bench.deploy(sources(tmp_path, 1)).values()
    assert isinstance(outcome, Failed)
    assert "someone else is deploying too" in outcome.failure.message
    assert bench.seconds < LENGTH_S + 3
