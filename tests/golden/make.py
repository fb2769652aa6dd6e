"""Writes the golden files from the program as it is: `python -m tests.golden.make`. README.md says when."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.harness import (
    BUCKET,
    Ended,
    count_events,
    ended,
    events,
    interrupt,
    run,
    running,
    sandbox,
    wait_for,
)
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
    STATE,
    ask,
    copied,
    forget_runs_after,
    get_json,
    put_json,
    unpacked,
    without_bucket,
    without_leases,
)

LATE = ("late-one", "late-two", "late-three")
SEEDS = {
    "secrets": [
        {
            "folder_id": MAIN_FOLDER, "name": "token", "id": "e6qformer00000000001",
            "version_id": "e6qversion0000000001", "keys": ["value"],
        },
        {
            "folder_id": MAIN_FOLDER, "name": "another", "id": "e6qformer00000000002",
            "version_id": "e6qversion0000000002", "keys": ["other"],
        },
    ],
    "service_accounts": [{"folder_id": MAIN_FOLDER, "name": "runner", "id": "ajeformer00000000001"}],
}  # fmt: skip
# Which a program creates again by itself.
OWN_FILES = (".gitignore", "key.json", "static_key.json", "packages", "*-shm")


def main() -> None:
    for folder in (STATE, OUTPUT, EVENTS, RECORDS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "project"
        shutil.copytree(PROJECT, root)
        make_history(root)
        shutil.copytree(root / ".orchestrator", STATE, ignore=shutil.ignore_patterns(*OWN_FILES), dirs_exist_ok=True)
        write_answers(Path(scratch))
        write_continuations(Path(scratch))
        write_records(Path(scratch))


# --- the project's runs ---------------------------------------------------------------------------------------------


def make_history(root: Path) -> None:
    """Write the journal's history, run by run; the last run is killed."""
    manifest = root / "deploy.toml"
    final = manifest.read_text("utf-8")
    (root / ".orchestrator" / "sandbox").mkdir(parents=True)
    (root / ".orchestrator" / "sandbox" / "seeds.json").write_text(json.dumps(SEEDS, indent=1))
    with sandbox(root / ".orchestrator") as cloud:
        ask(cloud, "PUT", "packages/stored.zip", (root / "src" / "stored.zip").read_bytes())

    before = final.replace('"stable", "blue"', '"stable"').replace('LEVEL = "warning"', 'LEVEL = "info"')
    old = before.replace("[functions.old]\n", '[functions.old]\nruntime = "nodejs16"\n')
    manifest.write_text(without(old, *LATE, "failing", "builds"))
    step(root, "whole", 0, "deploy", "--sandbox")
    step(root, "nothing", 0, "deploy", "--sandbox")
    wrong = old.replace("packages/stored.zip", "packages/absent.zip").replace('"true"', '"echo no; exit 3"')
    manifest.write_text(without(wrong, *LATE))
    step(root, "failed", 1, "deploy", "--sandbox")
    manifest.write_text(without(old.replace('tags = ["stable"]\n\n', 'tags = ["stable", "blue"]\n\n', 1), *LATE))
    step(root, "retag", 0, "deploy", "alpha", "--sandbox")
    step(root, "forced", 0, "deploy", "gamma", "delta", "--force", "--run-key", "former", "--sandbox")
    step(root, "levels", 0, "run", "levels", "--sandbox")
    step(root, "upgrade", 0, "run", "upgrade", "--sandbox")
    step(root, "retried", 0, "deploy", "failing", "builds", "--sandbox", environ=CROWDED)
    manifest.write_text(final)
    slow = {"ORCHESTRATOR_DURATIONS": "fixed:2", "ORCHESTRATOR_QUOTA": "operations_per_folder=2"}
    log = root / "events.ndjson"
    with running(root, "deploy", "--sandbox", "--events", log.name, environ=slow) as process:
        wait_for(lambda: count_events(log, "operation_accepted") >= 4, process)
        interrupt(process, signal.SIGKILL)
        ended(process)  # together with its sandbox
    shutil.move(log, EVENTS / "killed.ndjson")
    assert (root / ".orchestrator" / "journal.sqlite3-wal").stat().st_size > 0


def without(text: str, *names: str) -> str:
    """Remove functions from a manifest."""
    for name in names:
        text, count = re.subn(rf"\[functions\.{name}\]\n(?:[^\[\n].*\n)*\n", "", text)
        assert count == 1, name
    return text


def step(root: Path, name: str, code: int, *arguments: str, environ: Mapping[str, str] = FAST) -> Ended:
    """Run the program, store its events under a name, and check its exit code."""
    end = run(root, *arguments, "--events", "events.ndjson", environ=environ)
    assert end.code == code, f"{name}: {end.code}\n{end.out}\n{end.err}"
    shutil.move(root / "events.ndjson", EVENTS / f"{name}.ndjson")
    sys.stderr.write(f"{name}: {end.out.splitlines()[-1] if end.out else ''}\n")
    return end


# --- published output -----------------------------------------------------------------------------------------------


def write_answers(scratch: Path) -> None:
    """Write the answers of commands that change nothing."""
    root = unpacked(scratch / "answers")
    keep("runs", run(root, "runs", "-o", "json"))
    for one in json.loads((OUTPUT / "runs.json").read_text()):
        keep(f"show/{one['run_id']}", run(root, "show", one["run_id"], "-o", "json"))
    keep("validate", run(root, "validate", "-o", "json"))
    keep("jobs", run(root, "jobs", "-o", "json"))
    keep("plan", run(root, "plan", "--sandbox", "-o", "json"))
    keep("plan-failed", run(root, "deploy", "--failed", "--dry-run", "--sandbox", "-o", "json"))
    keep("status", run(root, "run", "upgrade", "--status", "--sandbox", "-o", "json"))
    keep("plan-upgrade", run(root, "run", "upgrade", "-p", "from=nodejs22", "-p", "to=nodejs18", "--dry-run",
                             "--sandbox", "-o", "json"))  # fmt: skip
    forget_runs_after(root, run_of("failed"))
    keep("plan-failed-of-failed", run(root, "deploy", "--failed", "--dry-run", "--sandbox", "-o", "json"))


def run_of(name: str) -> str:
    """Return the ID of the run whose events are stored under a name."""
    return str(events(EVENTS / f"{name}.ndjson")[0]["run_id"])


def keep(name: str, end: Ended, code: int = 0) -> None:
    assert end.code == code, end.err
    path = OUTPUT / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(end.out)


def write_continuations(scratch: Path) -> None:
    """Write what follows: with the killed run, or without it."""
    base = without_leases(unpacked(scratch / "base"))
    sent: dict[str, Any] = {}
    for name, arguments in CONTINUATIONS.items():
        root = copied(base, scratch / name)
        without_bucket(root)
        sent[name] = step(root, name, 0, *arguments, "-o", "json")
        keep(name, sent[name])
    source = (PROJECT / "src" / "alpha" / "index.js").read_bytes()
    (OUTPUT / "zlib.json").write_text(json.dumps(zlib.compress(source).hex()) + "\n")


CONTINUATIONS = {
    "resumed": ("resume",),
    "deployed": ("deploy", "--sandbox"),
    "forced-again": ("deploy", "--sandbox", "--force", "--run-key", "golden"),
    "inline": ("deploy", "every", "--config", "inline.toml", "--sandbox"),
    "copied": ("run", "levels", "--sandbox"),
}


# --- stored in the bucket -------------------------------------------------------------------------------------------


def write_records(scratch: Path) -> None:
    one, two = (without_leases(unpacked(scratch / name)) for name in ("one", "two"))
    arguments = ("sandbox", "--durations", "fixed:3")
    with sandbox(one / ".orchestrator", *arguments[1:]) as cloud:
        log, other = one / "events.ndjson", two / "events.ndjson"
        with (
            running(one, "deploy", "gamma", "late-*", "--yes", "--events", log.name, environ=cloud.environ()) as first,
            running(two, "deploy", "every", "--yes", "--events", other.name, environ=cloud.environ()) as second,
        ):
            wait_for(lambda: count_events(log, "operation_accepted") > 0, first)
            wait_for(lambda: count_events(other, "operation_accepted") > 0, second)
            leases = get_json(cloud, LEASES)
            assert len(leases["leases"]) == 2
            interrupt(second, signal.SIGKILL)  # now one of the two is dead
            ended(first)
            ended(second)
        write(RECORDS / "leases.json", leases)

        due = ("run", "nightly", "--due", "--yes")
        assert run(one, *due, environ=cloud.environ()).code == 0
        write(RECORDS / "claims" / "first.json", get_json(cloud, CLAIM))
        put_json(cloud, CLAIM, get_json(cloud, CLAIM) | {"done_until": "2026-01-01T00:00:00Z"})
        log.unlink()
        with running(one, *due, "--events", log.name, environ=cloud.environ()) as process:
            wait_for(lambda: count_events(log, "operation_accepted") > 0, process)
            write(RECORDS / "claims" / "running.json", get_json(cloud, CLAIM))
            assert ended(process).code == 0
        write(RECORDS / "claims" / "done.json", get_json(cloud, CLAIM))
        on_disk = run(one, *due, "--config", without_bucket(one), environ=cloud.environ())
        assert on_disk.code == 0, on_disk.err
    (path,) = (one / ".orchestrator" / "claims").iterdir()
    write(RECORDS / "claims" / path.name, json.loads(path.read_bytes()))


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


if __name__ == "__main__":
    assert BUCKET == "deploy-packages"
    main()
