"""A run that copies settings or code of the live version was interrupted, and someone changed that version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.journal.store import open_store
from orchestrator.model import Blocked
from tests.clouds import inline
from tests.flow import ends
from tests.flow.ends import Scene

COPIES = '[jobs.all]\nrun = "mass_redeploy"\nfunctions = ["*"]\nenvironment = { LEVEL = "debug" }\n'
OF_IT = ("runtime", "entrypoint", "resources", "executionTimeout", "description")


def reasons(scene: Scene) -> dict[str, str]:
    """Resume the run. Returns why functions are blocked, by key."""
    assert scene.bench.type_in("resume")[0] == 1
    with open_store(scene.bench.state_dir, read_only=True) as store:
        run = store.chain_state(store.find("last"))
    blocked = {key: unit.outcome.reason for key, unit in run.units.items() if isinstance(unit.outcome, Blocked)}
    return {key: why.partition(";")[0] for key, why in blocked.items()}


def not_begun(scene: Scene) -> list[str]:
    with open_store(scene.bench.state_dir, read_only=True) as store:
        run = store.chain_state(store.find("last"))
    return sorted(key for key, unit in run.units.items() if not unit.requests)


def make_by_hand(scene: Scene, function_id: str, **fields: Any) -> tuple[str, str]:
    """Copy the live version of a function by hand. Returns its ID and that of the new one."""
    versions = scene.bench.cloud.versions
    found = versions.by_tag({"functionId": function_id, "tag": "$latest"})
    own = {name: found[name] for name in OF_IT if name in found}
    versions.create({"functionId": function_id, **own, **fields})
    scene.bench.pass_time(60.0)
    return str(found["id"]), str(versions.by_tag({"functionId": function_id, "tag": "$latest"})["id"])


def ids_of(scene: Scene) -> dict[str, str]:
    return {one["name"]: one["id"] for one in scene.bench.cloud.functions.list({"folderId": "folder"})["functions"]}


def test_what_became_of_the_version_that_was_to_be_copied_is_reported(tmp_path: Path) -> None:
    scene = ends.scene(tmp_path)
    bench, ids = scene.bench, ids_of(scene)
    manifest = (tmp_path / "deploy.toml").read_text()
    was = manifest[manifest.index("[jobs.all]") : manifest.index("[rollout]")]
    (tmp_path / "deploy.toml").write_text(manifest.replace(was, COPIES))
    scene.die("run", 1)
    replaced, deleted = not_begun(scene)
    base, took = make_by_hand(scene, ids[replaced], **inline("index.py"), environment={"A": "1"})
    bench.cloud.versions.delete(base)
    bench.pass_time(60.0)
    bench.cloud.functions.delete(ids[deleted])
    bench.pass_time(60.0)
    assert reasons(scene) == {
        replaced: f"another version, {took}, has taken $latest, and {base} was deleted, since the run began",
        deleted: f"the function, {ids[deleted]}, was deleted since the run began",
    }


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("edited", [False, True])
def test_a_version_whose_settings_were_left_as_they_are_live_and_that_is_gone_is_reported(
    gone: bool, edited: bool, tmp_path: Path
) -> None:
    """Someone changes what is left as it is live, which stops nothing, then deletes the version that
    was live before.
    """
    scene = ends.scene(tmp_path)
    bench, ids = scene.bench, ids_of(scene)
    path = tmp_path / "deploy.toml"
    path.write_text(path.read_text().replace("create = true", 'create = true\nignore = ["memory"]'))
    scene.die("deploy", 1)
    one, _ = not_begun(scene)
    copied = bench.cloud.versions.by_tag({"functionId": ids[one], "tag": "$latest"})["id"]
    base, took = make_by_hand(scene, ids[one], versionId=copied, resources={"memory": "268435456"})
    if gone:
        bench.cloud.versions.delete(base)
        bench.pass_time(60.0)
    if edited:
        table = f"[functions.{one}]\n"
        path.write_text(path.read_text().replace(table, f'{table}timeout = "9s"\n'))
    if not (gone or edited):
        assert bench.type_in("resume")[0] == 0
        return
    why = "its settings or its source have changed since the run began"
    if gone:
        why = f"another version, {took}, has taken $latest, and {base} was deleted, since the run began"
    assert reasons(scene) == {one: why}
