"""What someone has made or edited by hand after a deployment of ours, and what later commands do about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model import Blocked, Deployed, Outcome, Unchanged
from orchestrator.version.adoption import Adoption
from orchestrator.version.stamp import read_stamp
from tests.clouds import inline
from tests.engine import Bench

HEAD = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
create = true
"""
FUN = HEAD + '[functions.fun]\nsource = "src"\ntags = ["stable"]\n'
LEVEL = 'environment = { LEVEL = "debug" }\n'
JOB = '[jobs.lvl]\nrun = "mass_redeploy"\nfunctions = ["fun"]\nfolders = ["folder"]\n' + LEVEL
SOURCES = ("first", "second", "third")
_ASKED = ("functionId", "runtime", "entrypoint", "resources", "executionTimeout", "environment", "description")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, durations="fixed:1")


def deploy(bench: Bench, source: str = "first", manifest: str = FUN, *, adopt: str = "", **given: Any) -> Outcome:
    (bench.root / source).mkdir(exist_ok=True)
    (bench.root / source / "index.py").write_text(f"def handler(event, context):\n    return '{source}'\n")
    manifest = manifest.replace('"src"', f'"{source}"')
    allowed = Adoption(versions=frozenset({("fun", adopt)}) if adopt else frozenset())
    return bench.deploy(manifest, adopt=allowed, **given)["fun"]


def deployed(bench: Bench, *names: str) -> str:
    """Deploy several sources in turn. Returns the ID of the last version."""
    for source in names:
        assert isinstance(deploy(bench, source), Deployed)
    return str(live(bench)["id"])


def live(bench: Bench, tag: str = "$latest") -> Mapping[str, Any]:
    return next(version for version in bench.versions() if tag in version.get("tags", ()))


def by_id(bench: Bench, version_id: str) -> Mapping[str, Any]:
    return next(version for version in bench.versions() if version["id"] == version_id)


def by_hand(bench: Bench, of: str = "", **changes: Any) -> str:
    """Make a version like the console: a copy of another with its description, and some changes."""
    former = by_id(bench, of) if of else live(bench)
    asked = {name: former[name] for name in _ASKED if name in former}
    code = {"versionId": of} if of else inline("index.py")
    made = bench.cloud.versions.create(asked | code | changes)
    bench.pass_time(60.0)
    return str(made["metadata"]["functionVersionId"])


def blocked(outcome: Outcome) -> str:
    assert isinstance(outcome, Blocked), outcome
    return outcome.reason


def test_a_job_does_not_make_a_hotfix_ours(bench: Bench) -> None:
    deployed(bench, "first")
    by_hand(bench)
    assert "its code, which may have been edited" in blocked(deploy(bench))
    assert isinstance(bench.run_job(HEAD + JOB, "lvl")["fun"], Deployed)
    copied = str(live(bench)["id"])
    stamp = read_stamp(live(bench)["description"])
    assert stamp is not None
    assert ("h", "1") in stamp.marks
    for manifest in (FUN, FUN + LEVEL):
        why = blocked(deploy(bench, manifest=manifest))
        assert "its code, which was made or edited by hand before job lvl copied it" in why
        assert f"--adopt fun@{copied}" in why
    # the job may run again; copies of its copies are still not ours
    assert isinstance(bench.run_job(HEAD + JOB.replace("debug", "trace"), "lvl")["fun"], Deployed)
    again = str(live(bench)["id"])
    assert "before job lvl copied it" in blocked(deploy(bench, manifest=FUN + LEVEL, adopt=copied))
    assert isinstance(deploy(bench, manifest=FUN + LEVEL, adopt=again), Deployed)
    assert isinstance(deploy(bench, manifest=FUN + LEVEL), Unchanged)
    assert isinstance(deploy(bench, "second", FUN + LEVEL), Deployed)


def test_what_a_job_copies_of_ours_stays_ours(bench: Bench) -> None:
    deployed(bench, "first")
    assert isinstance(bench.run_job(HEAD + JOB, "lvl")["fun"], Deployed)
    assert isinstance(deploy(bench, "second", FUN + LEVEL), Deployed)


def test_a_hotfix_with_words_of_its_own_is_not_replaced(bench: Bench) -> None:
    deployed(bench, "first")
    hotfix = by_hand(bench, description="hotfix of last night")
    assert "its code, which may have been edited" in blocked(deploy(bench))
    assert "its code, which may have been edited" in blocked(deploy(bench, "second"))
    assert live(bench)["id"] == hotfix
    assert isinstance(deploy(bench, adopt=hotfix), Deployed)
    assert isinstance(deploy(bench, "third"), Deployed)


def test_a_copy_of_an_older_version_by_hand_is_not_replaced(bench: Bench) -> None:
    deployed(bench, *SOURCES[:2])
    older = next(version["id"] for version in bench.versions() if version["id"] != live(bench)["id"])
    back = by_hand(bench, of=older)
    why = blocked(deploy(bench, "third"))
    assert f"{back} was made by hand, with the stamp of {older}" in why
    assert live(bench)["id"] == back
    assert isinstance(deploy(bench, adopt=back), Deployed)


@pytest.mark.parametrize("manifest", [FUN, FUN.replace('tags = ["stable"]\n', "")], ids=["tag", "no tag"])
def test_no_tag_moves_onto_code_that_may_be_by_hand_and_that_is_not_called_unchanged(
    bench: Bench, manifest: str
) -> None:
    assert isinstance(deploy(bench, manifest=manifest), Deployed)
    first = live(bench)
    by_hand(bench, description="something else")
    hotfix = by_hand(bench, description=first["description"])
    assert "its code, which may have been edited" in blocked(deploy(bench, manifest=manifest))
    assert "stable" not in by_id(bench, hotfix).get("tags", ())


def test_forth_and_back_by_ourselves_asks_nobody(bench: Bench) -> None:
    deployed(bench, "first", "second", "first", "second", "first")
    assert isinstance(deploy(bench), Unchanged)


def test_the_first_adoption_of_equal_settings_passes_without_a_word(bench: Bench) -> None:
    made = bench.cloud.functions.create({"folderId": "folder", "name": "fun"})["metadata"]["functionId"]
    bench.pass_time(60.0)
    for _ in range(2):
        bench.cloud.versions.create(
            {"functionId": made, "runtime": "python312", "entrypoint": "index.handler",
             "resources": {"memory": "134217728"}, "executionTimeout": "3s", **inline("index.py")}
        )  # fmt: skip
        bench.pass_time(60.0)
    assert isinstance(deploy(bench, "first"), Deployed)


# --- tags -----------------------------------------------------------------------------------------------------------


def move(bench: Bench, version_id: str, tag: str = "stable") -> None:
    bench.cloud.versions.set_tag(version_id, {"tag": tag})
    bench.pass_time(60.0)


@pytest.mark.parametrize("source", ["second", "third"])
def test_a_tag_that_was_moved_back_by_hand_stays(bench: Bench, source: str) -> None:
    first, second = deployed(bench, "first"), deployed(bench, "second")
    move(bench, first)
    why = blocked(deploy(bench, source))
    assert f"the tag stable was moved by hand: to {first} at " in why
    assert f"remove it from `tags`, or move it with --adopt fun@{first}" in why
    assert live(bench, "stable")["id"] == first
    assert isinstance(deploy(bench, source, adopt=first), Deployed)
    now = live(bench, "stable")["id"]
    assert now == live(bench)["id"]
    assert (now == second) is (source == "second")


def test_a_tag_that_a_rollback_of_ours_has_moved_back_is_no_hindrance(bench: Bench) -> None:
    deployed(bench, "first", "second")
    assert isinstance(bench.roll_back(bench.events)["fun"], Deployed)
    assert isinstance(deploy(bench, "third"), Deployed)
    assert live(bench, "stable")["id"] == live(bench)["id"]


def test_from_where_a_tag_is_taken_is_said(bench: Bench) -> None:
    first = deployed(bench, "first")
    untagged = FUN.replace('tags = ["stable"]\n', "")
    assert isinstance(deploy(bench, "second", untagged), Deployed)
    assert isinstance(deploy(bench, "second"), Deployed)
    assert bench.plan.units[0].reason == f"the live version lacks the tag stable, which {first} has"
    second = live(bench)["id"]
    assert isinstance(deploy(bench, "third", untagged), Deployed)
    assert isinstance(deploy(bench, "fourth"), Deployed)
    assert bench.plan.units[0].reason.endswith(f"; takes the tag stable from {second}")
