"""Data of the program from before its restructuring, compared with the current program.

The data is in tests/golden, whose README describes how it was made. Everything uses the command line.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.e2e.harness import Cloud, Ended, events, run, sandbox
from tests.golden.former import (
    CLAIM,
    CROWDED,
    EVENTS,
    FAST,
    LEASES,
    MAIN_FOLDER,
    OUTPUT,
    PROJECT,
    RECORDS,
    copied,
    forget_runs_after,
    get_json,
    owner_of,
    put_json,
    unpacked,
    without_bucket,
    without_leases,
)
from tests.golden.make import CONTINUATIONS

# The varying parts of a run's output: times, durations and IDs of the cloud. Everything else is compared.
DRAWN = {
    "at", "started_at", "ended_at", "seconds", "run_id", "version_id", "operation_ids", "operation_id", "request_id",
    "wait_s", "next_due", "before", "retries", "requests", "existed",
}  # fmt: skip
# Sentences for people: the keys stay, and their words may become better. What a run has stored is shown as it was.
SENTENCES = ("reason", "about", "description", "warnings")
RUNS: list[dict[str, Any]] = json.loads((OUTPUT / "runs.json").read_text())
KILLED = RUNS[0]["run_id"]


def published(name: str) -> Any:
    return json.loads((OUTPUT / f"{name}.json").read_text())


def missing(former: Any, now: Any, path: str = "", passed: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the former values that are missing or different; keys may have been added."""
    if isinstance(former, dict) and isinstance(now, dict):
        for key, value in former.items():
            if key not in now:
                yield f"{path}.{key} is gone"
            elif key not in passed:
                yield from missing(value, now[key], f"{path}.{key}", passed)
    elif isinstance(former, list) and isinstance(now, list) and len(former) == len(now):
        for number, (one, other) in enumerate(zip(former, now, strict=True)):
            yield from missing(one, other, f"{path}[{number}]", passed)
    elif former != now:
        yield f"{path}: {former!r} is {now!r}"


def same(former: Any, now: Any, *passed: str) -> None:
    assert list(missing(former, now, passed=frozenset(passed))) == []


def reported(end: Ended, code: int = 0) -> Any:
    assert end.code == code, end.err
    return json.loads(end.out)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yield the former project without the lease of its killed run. Tests that change it copy it."""
    return without_leases(unpacked(tmp_path_factory.mktemp("former") / "project"))


def soon() -> str:
    """In an hour: the due time of the former job, at 03:00, may pass during a test."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds").replace("+00:00", "Z")


@pytest.fixture
def root(base: Path, tmp_path: Path) -> Path:
    return copied(base, tmp_path / "project")


# --- read only ------------------------------------------------------------------------------------------------------


def test_former_runs_are_listed(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "project")
    # A list had no place for its schema: since then it is under its own key.
    same(RUNS, reported(run(root, "runs", "-o", "json"))["runs"])
    lines = run(root, "runs").out.splitlines()[-len(RUNS) :]
    for line, former in zip(lines, RUNS, strict=True):
        assert former["run_id"] in line
        assert f" {former['verb']} " in line
        assert all(f"{count} {outcome}" in line for outcome, count in former["outcomes"].items())


def test_former_runs_are_shown(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "project")
    for former in RUNS:
        shown = run(root, "show", former["run_id"], "-o", "json")
        same(published(f"show/{former['run_id']}"), reported(shown))
    assert reported(run(root, "show", "last", "-o", "json"))["run_id"] == KILLED


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("plan-failed", ("deploy", "--undone", "--dry-run", "--sandbox")),  # `--failed` at that time
        ("plan-upgrade", ("run", "upgrade", "-p", "from=nodejs22", "-p", "to=nodejs18", "--dry-run", "--sandbox")),
        ("status", ("run", "upgrade", "--status", "--sandbox")),
        ("validate", ("validate",)),
        ("jobs", ("jobs",)),
    ],
)
def test_what_looks_and_changes_nothing_answers_as_before(root: Path, name: str, arguments: tuple[str, ...]) -> None:
    same(published(name), reported(run(root, *arguments, "-o", "json")), "next_due", *SENTENCES)


def test_an_upgrade_redeploys_nothing(root: Path) -> None:
    found = reported(run(root, "plan", "--sandbox", "-o", "json"))
    same(published("plan"), found, *SENTENCES)
    former = {one["function"]: one for one in published(f"show/{KILLED}")["functions"]}
    begun = {name for name, one in former.items() if one["outcome"] == "unchanged" or one["version_id"]}
    assert {one["function"] for one in found["units"] if one["action"] == "unchanged"} == begun
    assert begun
    assert begun < former.keys()


def test_the_failures_of_a_former_run_are_selected(root: Path) -> None:
    failed = next(one["run_id"] for one in RUNS if one["exit_code"] == 1)
    forget_runs_after(root, failed)
    found = reported(run(root, "deploy", "--failed", "--dry-run", "--sandbox", "-o", "json"))
    same(published("plan-failed-of-failed"), found, *SENTENCES)
    assert {one["function"] for one in found["units"]} == {"failing", "builds"}


# --- continued ------------------------------------------------------------------------------------------------------


def requested(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["key"], one["call"]): one for one in events(path) if one["kind"] == "requested"}


def compressed_as_then() -> bool:
    """Return whether this machine's zlib makes the same packages; otherwise the keys of folders cannot be compared."""
    source = (PROJECT / "src" / "alpha" / "index.js").read_bytes()
    return bool(zlib.compress(source).hex() == published("zlib"))


def goes_on_as_then(name: str, root: Path, end: Ended) -> None:
    """Compare a continued run with the golden one: its answer, and every Idempotency-Key."""
    former, now = requested(EVENTS / f"{name}.ndjson"), requested(root / f"{name}.ndjson")
    assert former.keys() == now.keys()
    folders = set() if compressed_as_then() else {"alpha", "beta", "builds", "delta"}
    for key, one in former.items():
        if key[0] not in folders:
            same(one, now[key], "at", "run_id")
    answer, golden = reported(end), published(name)
    if answer["resumes"]:  # it reported only the second half; now the whole chain is reported
        names = {function["function"] for function in golden["functions"]}
        answer["functions"] = [one for one in answer["functions"] if one["function"] in names]
        for function in golden["functions"]:  # what the killed run had stored by then
            if function["package"] is None:
                del function["package"]
        assert answer["total"] >= golden.pop("total")
        assert all(answer["outcomes"][outcome] >= number for outcome, number in golden.pop("outcomes").items())
    for one in (answer, golden):
        one["functions"].sort(key=lambda function: function["function"])
        for function in one["functions"] if folders else ():
            del function["package"]
    same(golden, answer, *DRAWN, *SENTENCES)


def versions(root: Path) -> Counter[str]:
    """Count the versions of each function in a sandbox's state."""
    with closing(sqlite3.connect(root / ".orchestrator" / "sandbox" / "sandbox.db")) as file:
        rows = file.execute("SELECT record FROM records WHERE name = 'versions'").fetchall()
    return Counter(json.loads(record)["functionId"] for (record,) in rows)


def test_a_killed_run_is_taken_up_and_its_own_lease_with_it(root: Path) -> None:
    end = run(unpacked(root / "kept"), "show", "last", "-o", "json")
    left = {one["function_id"] for one in reported(end)["functions"] if one["outcome"] == "not ended"}
    with sandbox(root / "kept" / ".orchestrator") as cloud:
        leases = get_json(cloud, LEASES)
        (lease,) = leases["leases"]
        assert lease["run_id"] == KILLED
        lease["owner"] = owner_of(root)  # the place of the run; a copy is another state folder
        assert lease.keys() >= {"run_id", "owner", "who", "since", "fencing", "beat", "functions"}
    with sandbox(root / ".orchestrator") as cloud:
        put_json(cloud, LEASES, leases)
    before = versions(root)
    end = run(root, "resume", "-o", "json", "--events", "resumed.ndjson", environ=FAST)
    goes_on_as_then("resumed", root, end)
    assert [one["fencing"] for one in events(root / "resumed.ndjson") if one["kind"] == "lease_taken"] == [
        leases["fencing"] + 1
    ]
    asked = Counter(one["function_id"] for key, one in requested(root / "resumed.ndjson").items())
    assert set(asked.values()) == {1}
    assert versions(root) == before + asked
    assert set(asked) < left
    assert json.loads(end.out)["resumes"] == KILLED
    again = run(root, "plan", "--sandbox", "--detailed-exitcode")
    assert again.code == 0, again.out


@pytest.mark.parametrize("name", [name for name in CONTINUATIONS if name != "resumed"])
def test_keys_are_those_of_before(root: Path, name: str) -> None:
    without_bucket(root)
    arguments = (*CONTINUATIONS[name], "-o", "json", "--events", f"{name}.ndjson")
    goes_on_as_then(name, root, run(root, *arguments, environ=FAST))


# --- events ---------------------------------------------------------------------------------------------------------


def keys_by_kind(*paths: Path) -> dict[str, set[str]]:
    """Return the keys that every event of a kind has; outcomes count as kinds of their own."""
    found: dict[str, set[str]] = {}
    for path in paths:
        for event in events(path):
            kinds = {event["kind"]: event.keys()}
            if isinstance(outcome := event.get("outcome"), dict):
                kinds[outcome["outcome"]] = outcome.keys()
                if failure := outcome.get("failure"):
                    kinds["failure"] = failure.keys()
            for kind, keys in kinds.items():
                found[kind] = found.get(kind, set(keys)) & set(keys)
    return found


def test_events_have_the_keys_of_before(root: Path) -> None:
    text = (root / "deploy.toml").read_text("utf-8").replace('LEVEL = "warning"', 'LEVEL = "error"')
    text = text.replace("packages/stored.zip", "packages/absent.zip").replace('"true"', '"echo no; exit 3"')
    (root / "deploy.toml").write_text(f'{text}\n[rollout]\nwaves = [1, "100%"]\n')
    # Successes, early refusals and failures: a build, an Operation; and what is left as it is.
    names = ("alpha", "beta", "late-two", "failing", "builds", "delta")
    log = root / "events.ndjson"
    # Slow enough that a busy machine too sends a second Operation before the first is done: it is refused, and retried.
    slow = CROWDED | {"ORCHESTRATOR_DURATIONS": "fixed:1.5"}
    end = run(root, "deploy", *names, "--sandbox", "-o", "json", "--events", log.name, environ=slow)
    assert reported(end, 1)["outcomes"] == {"unchanged": 1, "deployed": 3, "failed": 2}
    former, now = keys_by_kind(*EVENTS.glob("*.ndjson")), keys_by_kind(log)
    assert former.keys() - now.keys() == set()
    assert {kind: keys - now[kind] for kind, keys in former.items() if keys - now[kind]} == {}
    assert {one["schema"] for one in events(log)} == {1}
    # What the run "retried" learned about this folder is not learned again.
    limits = [(one["what"], one["allowed"], one["reason"]) for one in events(log) if one["kind"] == "limit_changed"]
    assert (f"folder {MAIN_FOLDER}", 1, "learned before") in limits


# --- records in the bucket ------------------------------------------------------------------------------------------


@contextmanager
def living(cloud: Cloud, key: str, beaten: dict[str, Any], value: dict[str, Any]) -> Iterator[None]:
    """Keep the holder of a record alive: increment `beaten`, a part of `value`."""
    over = Event()

    def beat() -> None:
        while not over.wait(0.2):
            beaten["beat"] += 1
            put_json(cloud, key, value)

    put_json(cloud, key, value)
    thread = Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDS / name).read_text())
    return found


def test_former_leases_are_read(root: Path) -> None:
    former = record("leases.json")
    gamma = next(one for one in former["leases"] if "deploy gamma" in one["who"])
    (other,) = (one for one in former["leases"] if one is not gamma)
    with sandbox(root / ".orchestrator", "--durations", "fixed:0.05") as cloud:
        with living(cloud, LEASES, gamma, former):
            end = run(root, "deploy", "gamma", "--yes", environ=cloud.environ())
        assert end.code == 4, end.err
        for part in ("gamma", gamma["run_id"], gamma["who"], gamma["since"]):
            assert part in end.err
        gamma["owner"] = owner_of(root)  # an earlier run of this very folder with a free lock: it is dead
        put_json(cloud, LEASES, former)
        log = root / "events.ndjson"
        end = run(root, "deploy", "gamma", "--yes", "--events", log.name, environ=cloud.environ())
        assert end.code == 0, end.err
        assert [one["fencing"] for one in events(log) if one["kind"] == "lease_taken"] == [former["fencing"] + 1]
        same(former | {"fencing": former["fencing"] + 1, "leases": [other]}, get_json(cloud, LEASES))


def test_former_claims_are_read(root: Path) -> None:
    due = ("run", "nightly", "--due", "--yes")
    now = soon()
    with sandbox(root / ".orchestrator", "--durations", "fixed:0.05") as cloud:
        done = record("claims/done.json") | {"done_until": now}
        put_json(cloud, CLAIM, done)
        end = run(root, *due, environ=cloud.environ())
        assert (end.code, end.out) == (0, ""), end.err
        assert 'nothing is due for job "nightly"' in end.err
        assert get_json(cloud, CLAIM) == done

        claimed = record("claims/running.json")
        with living(cloud, CLAIM, claimed["running"], claimed):
            end = run(root, *due, environ=cloud.environ())
        assert (end.code, end.out) == (0, ""), end.err
        running = claimed["running"]
        assert f"{running['due_at']} is being run by {running['run_id']} on {running['host']}" in end.err

        put_json(cloud, CLAIM, record("claims/first.json") | {"done_until": "2026-01-01T00:00:00Z"})
        end = run(root, *due, environ=cloud.environ())
        assert end.code == 0, end.err
        assert "1 function: 1 deployed" in end.out
        same(record("claims/done.json"), get_json(cloud, CLAIM), "done_until")


def test_a_former_claim_without_a_bucket_is_read(root: Path) -> None:
    (former,) = (RECORDS / "claims").glob("*%2Fnightly.json.json")
    (root / ".orchestrator" / "claims").mkdir()
    path = Path(shutil.copy(former, root / ".orchestrator" / "claims"))
    now = soon()
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"done_until": now}))
    arguments = ("run", "nightly", "--due", "--sandbox", "--config", without_bucket(root))
    end = run(root, *arguments, environ=FAST)
    assert (end.code, end.out) == (0, ""), end.err
    assert 'nothing is due for job "nightly"' in end.err
    assert list(path.parent.iterdir()) == [path]
