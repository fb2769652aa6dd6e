"""Copies of the golden project to work with, and access to objects of its bucket without the program."""

from __future__ import annotations

import json
import shutil
import sqlite3
import urllib.request
from pathlib import Path
from typing import Any

from orchestrator.coordination import local_lock
from tests.e2e.harness import BUCKET, TIMEOUT_S, Cloud, sandbox

GOLDEN = Path(__file__).parent
PROJECT = GOLDEN / "project"
STATE = GOLDEN / "state"  # the project's `.orchestrator`, under a name that no .gitignore excludes
OUTPUT = GOLDEN / "output"
EVENTS = GOLDEN / "events"
RECORDS = GOLDEN / "records"
MAIN_FOLDER, OTHER_FOLDER = "b1gformer00000000001", "b1gformer00000000002"
LEASES = "functions/leases.json"
CLAIM = f"functions/claims/{MAIN_FOLDER}/nightly.json"
FAST = {"ORCHESTRATOR_DURATIONS": "fixed:0.05"}
# One Operation at a time, in a cloud that does not report its quotas: one of two functions is always refused at first.
CROWDED = {
    "ORCHESTRATOR_DURATIONS": "fixed:0.3",
    "ORCHESTRATOR_QUOTA": "operations_per_folder=1",
    "ORCHESTRATOR_NO_QUOTA_MANAGER": "1",
}


def unpacked(root: Path) -> Path:
    """Copy the project with its state to `root`, as it was when its last run was killed."""
    shutil.copytree(PROJECT, root)
    shutil.copytree(STATE, root / ".orchestrator")
    return root


def copied(project: Path, root: Path) -> Path:
    shutil.copytree(project, root)
    return root


def without_leases(root: Path) -> Path:
    """Remove the lease that the killed run left: another machine would have to wait half a minute for it."""
    with sandbox(root / ".orchestrator") as cloud:
        ask(cloud, "DELETE", LEASES)
    return root


def without_bucket(root: Path) -> str:
    """Write a second manifest, with inline packages and claims in the state folder. Returns its name."""
    text = (root / "deploy.toml").read_text("utf-8")
    table = f'[storage]\nbucket = "{BUCKET}"\nprefix = "functions/"\n'
    assert table in text
    (root / "inline.toml").write_text(text.replace(table, ""), "utf-8")
    return "inline.toml"


def owner_of(root: Path) -> str:
    """Return the name of a state folder as leases use it, so that a lease of its earlier run is known to be dead."""
    return local_lock.owner_of(root / ".orchestrator")


def ask(cloud: Cloud, method: str, key: str, body: bytes | None = None) -> bytes:
    """Get, put or delete an object of the bucket."""
    request = urllib.request.Request(
        f"{cloud.url}/{BUCKET}/{key}", data=body, method=method, headers={"Authorization": f"Bearer {cloud.token()}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        found: bytes = answer.read()
        return found


def get_json(cloud: Cloud, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(cloud, "GET", key))
    return found


def put_json(cloud: Cloud, key: str, value: dict[str, Any]) -> None:
    ask(cloud, "PUT", key, json.dumps(value).encode())


def forget_runs_after(root: Path, run_id: str) -> None:
    """Remove later runs from a journal, as if that run were the last."""
    with sqlite3.connect(root / ".orchestrator" / "journal.sqlite3") as journal:
        journal.execute("DELETE FROM events WHERE run_id > ?", (run_id,))
        journal.execute("DELETE FROM runs WHERE id > ?", (run_id,))
    journal.close()
