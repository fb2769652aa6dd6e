"""Which packages may be deleted, and which runs, plans and manifests keep them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.journal.digest import RunDigest, newest_first
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.runs import RunSummary
from orchestrator.model import BucketListing, ListedObject
from orchestrator.planning.prune.leftovers import Total, leftovers_of
from orchestrator.planning.prune.packages import Needs, PackageKept, RelyingRun, judge_packages, relying_runs

DAY_S = 86_400.0
NOW = 1_800_000_000.0
PREFIX = "functions/"
KEY = f"{PREFIX}{'a' * 64}.zip"
OLD = 30.1


def listed(days: float, key: str = KEY) -> ListedObject:
    return ListedObject(key, 100, NOW - days * DAY_S)


def judge(one: ListedObject, needs: Needs, prefix: str = PREFIX) -> PackageKept | None:
    found = judge_packages(BucketListing((one,), NOW), prefix, needs)
    return found[0].why if found else None


WHILE_PUT = RelyingRun("run-1", NOW - 40 * DAY_S, NOW - 20 * DAY_S, "has not ended")


@pytest.mark.parametrize(
    ("days", "needs", "why"),
    [
        (OLD, Needs(), PackageKept.NOT),
        (29.9, Needs(), PackageKept.YOUNG),
        (30.0, Needs(), PackageKept.YOUNG),
        (-1.0, Needs(), PackageKept.YOUNG),
        (OLD, Needs(named=frozenset({KEY})), PackageKept.NAMED),
        (OLD, Needs(named=frozenset({f"{'a' * 64}.zip"})), PackageKept.NAMED),
        (OLD, Needs(named=frozenset({f"other/{'a' * 64}.zip"})), PackageKept.NOT),
        (OLD, Needs(plans={KEY: "p1"}), PackageKept.PLAN),
        (OLD, Needs(plans={f"other/{KEY}": "p1"}), PackageKept.NOT),
        (OLD, Needs(runs=(WHILE_PUT,)), PackageKept.RUN),
        (41.0, Needs(runs=(WHILE_PUT,)), PackageKept.NOT),
        (OLD, Needs(runs=(replace(WHILE_PUT, until=NOW - 35 * DAY_S),)), PackageKept.NOT),
    ],
)
def test_a_package_goes_once_nothing_keeps_it(days: float, needs: Needs, why: PackageKept) -> None:
    assert judge(listed(days), needs) is why


@pytest.mark.parametrize(
    "key",
    [
        f"{PREFIX}{'a' * 63}.zip",
        f"{PREFIX}{'a' * 65}.zip",
        f"{PREFIX}{'A' * 64}.zip",
        f"{PREFIX}{'g' * 64}.zip",
        f"{PREFIX}{'a' * 64}.zip.old",
        f"{PREFIX}{'a' * 64}.tar",
        f"{PREFIX}{'a' * 64}.zip\n",
        f"{PREFIX}sub/{'a' * 64}.zip",
        f"{PREFIX}{PREFIX}{'a' * 64}.zip",
        f"{'a' * 64}.zip",
        f"other/{'a' * 64}.zip",
        f"{PREFIX}runs/index.json",
        PREFIX,
    ],
)
def test_what_is_not_named_as_our_packages_is_none_of_ours(key: str) -> None:
    assert judge(listed(1000.0, key), Needs()) is None


def test_without_a_prefix_only_the_top_of_the_bucket_is_ours() -> None:
    assert judge(listed(OLD, f"{'a' * 64}.zip"), Needs(), prefix="") is PackageKept.NOT
    assert judge(listed(OLD), Needs(), prefix="") is None


def run(id: str, began: float, *, ended: float | None = None, code: int | None = 0, **changes: object) -> RunDigest:
    """Return a run that began and ended so many days ago; its record was last written then. `changes`: of the digest,
    or of its run.
    """
    summary = RunSummary(
        id, "deploy", "https://api", NOW - began * DAY_S, None if ended is None else NOW - ended * DAY_S,
        None if ended is None else code, 1, "1", {}, identity=Identity("/deploy.toml"),
    )  # fmt: skip
    of_run = {name: changes.pop(name) for name in tuple(changes) if name in RunSummary.__slots__}
    written_at = NOW - (ended if ended is not None else began) * DAY_S
    return RunDigest(replace(summary, **of_run), written_at, **changes)  # type: ignore[arg-type]  # a test's own


def spans(*runs: RunDigest, alive: tuple[str, ...] = ()) -> dict[str, tuple[float, float]]:
    """Return for each run the interval, in days ago, in which packages are kept for it."""
    found = relying_runs(newest_first(runs), alive)
    return {one.run_id: tuple(round((NOW - at) / DAY_S, 3) for at in (one.since, one.until)) for one in found}  # type: ignore[misc]  # two of them


A, B = frozenset({"f/a"}), frozenset({"f/b"})
INTERRUPTED = run("r", 40, ended=39, code=3, left=A)
SOME = Identity("/deploy.toml", selection=Selection(("a",)))


@pytest.mark.parametrize(
    ("runs", "alive", "kept"),
    [
        ([run("r", 40, ended=39)], (), {}),
        ([run("r", 40, ended=39, code=1, outcomes={"failed": 1}, left=A)], (), {}),
        ([INTERRUPTED], (), {"r": (56, 38)}),
        ([run("r", 40, ended=39, code=1, outcomes={"cancelled": 1}, left=A)], (), {"r": (56, 38)}),
        ([run("r", 40, left=A)], (), {"r": (56, 10)}),
        ([run("r", 40, left=A)], ("r",), {"r": (56, -float("inf"))}),
        ([run("r", 40, ended=39, code=3, given_up=True, left=A)], (), {}),
        # resumed: the chain counts from its first run, and is judged by its last
        ([INTERRUPTED, run("s", 20, ended=19, resumes="r", done=A)], (), {}),
        ([INTERRUPTED, run("s", 20, ended=19, code=3, resumes="r", left=A)], (), {"s": (56, 18)}),
        # done by later runs
        ([INTERRUPTED, run("s", 20, ended=19, done=A, identity=SOME)], (), {}),
        ([INTERRUPTED, run("s", 20, ended=19, done=B, identity=SOME)], (), {"r": (56, 38)}),
        ([INTERRUPTED, run("s", 50, ended=49, done=A, identity=SOME)], (), {"r": (56, 38)}),
        ([INTERRUPTED, run("s", 20, ended=19, code=1)], (), {}),
        ([INTERRUPTED, run("s", 20, ended=19, code=3, left=B)], (), {"s": (36, 18), "r": (56, 38)}),
        ([INTERRUPTED, run("s", 20, ended=19, verb="run nightly")], (), {"r": (56, 38)}),
        ([INTERRUPTED, run("s", 20, ended=19, identity=Identity("/other.toml"))], (), {"r": (56, 38)}),
        ([replace(INTERRUPTED, left=frozenset())], (), {"r": (56, 38)}),
        # a machine whose clock is ahead
        ([replace(run("r", -400, left=A), written_at=NOW - 40 * DAY_S)], (), {"r": (56, 10)}),
    ],
)  # fmt: skip
def test_a_run_in_flight_keeps_what_it_may_rely_on(
    runs: list[RunDigest], alive: tuple[str, ...], kept: dict[str, tuple[float, float]]
) -> None:
    assert spans(*runs, alive=alive) == kept


def test_totals_are_added_up_by_why() -> None:
    rows = [(listed(1, "a"), "young"), (listed(1, "b"), "young"), (listed(1, "c"), ""), (listed(1, "d"), "plan")]
    found = leftovers_of("packages", rows)
    assert [one.key for one in found.goes] == ["c"]
    assert found.kept == {"young": Total(2, 200), "plan": Total(1, 100)}
    assert (found.before, found.after) == (Total(4, 400), Total(3, 300))
