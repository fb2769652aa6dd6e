"""A rollback after a run restores what was live before it, whatever that was, and whatever the run has changed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from orchestrator.journal.events import Event
from orchestrator.model import Action
from orchestrator.version.adoption import Adoption
from orchestrator.version.stamp import marked_back, read_back_mark
from tests.clouds import body
from tests.engine import Bench, InlinePackager
from tests.flow.test_plan_again import Checkout, bench_in, checkouts

OF_ITSELF = ("id", "createdAt", "tags", "description", "status")  # of a Version: what no other has
Seen = dict[str, tuple[Any, ...]]
some = limits(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
labels = st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["a", "b"]))
by_hand = st.none() | st.sampled_from(["", "by hand", "ends in a blank ", "x" * 600, "y" * 571])


def seen(bench: Bench) -> Seen:
    """Return what a user of the cloud sees of each Function: its own settings, `$latest` with its code, its tags."""
    found: Seen = {}
    for function in bench.cloud.functions.list({"folderId": "folder"}).get("functions", []):
        versions = [one for one in bench.versions() if one["functionId"] == function["id"]]
        latest: Mapping[str, Any] = next((one for one in versions if "$latest" in one.get("tags", ())), {})
        settings = {name: value for name, value in latest.items() if name not in OF_ITSELF}
        tags = {tag: one["id"] for one in versions for tag in one.get("tags", ()) if tag != "$latest"}
        code = bench.cloud.state.codes.get(str(latest.get("id")))
        own = function.get("labels", {}), function.get("description", "")
        found[function["name"]] = (settings, code, str(latest.get("description", "")), tags, own)
    return found


def assert_same(after: Seen, before: Seen) -> None:
    """Compare all. A description may have a back mark at its end, if it fits."""
    assert after.keys() == before.keys()
    for name, (settings, code, description, tags, own) in before.items():
        now = after[name]
        assert (now[0], now[1], now[3], now[4]) == (settings, code, tags, own)
        assert now[2] in (description, marked_back(description, read_back_mark(now[2])))


def deploy(bench: Bench, folder: Path, checkout: Checkout, own: Mapping[str, str]) -> list[Event]:
    checkout.write(folder, umask=0o022, time_s=1_700_000_000)
    bench.packager = InlinePackager(folder)  # knows the packages of one run
    lines = ", ".join(f'{key} = "{value}"' for key, value in own.items())
    bench.deploy(
        checkout.manifest.replace("create = true", f"create = true\nlabels = {{ {lines} }}"),
        adopt=Adoption(everything=True),
    )
    return list(bench.events)


@given(checkouts(names=("one",)), checkouts(names=("one",)), by_hand, labels, labels)
@some
def test_a_rollback_gives_back_what_was_live_before(
    tmp_path: Path, first: Checkout, then: Checkout, words: str | None, own: dict[str, str], later: dict[str, str]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    bench = bench_in(folder)
    deploy(bench, folder, first, own)
    if words is not None:
        function_id = bench.cloud.functions.list({"folderId": "folder"})["functions"][0]["id"]
        bench.cloud.versions.create(
            body(function_id, description=words, runtime="nodejs22", environment={"H": "1"}) | {}
        )
        bench.pass_time(60.0)
    before = seen(bench)
    run = deploy(bench, folder, then, later)
    after = seen(bench)
    bench.roll_back(run)
    back = list(bench.events)
    assert_same(seen(bench), before)
    bench.roll_back(run)
    assert {unit.action for unit in bench.plan.units} <= {Action.UNCHANGED}
    assert_same(seen(bench), before)
    bench.roll_back(back)
    assert_same(seen(bench), after)
