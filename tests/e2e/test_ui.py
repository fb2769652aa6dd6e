"""`orchestrator ui` as a user starts it: the page's data, its commands, its end."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.e2e.harness import PROGRAM, TIMEOUT_S, Project, count_events, environment, forked, run, wait_for

FAST = {"ORCHESTRATOR_DURATIONS": "fixed:0.05"}


@contextmanager
def page(project: Project, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start it, and yield the address that it prints."""
    process = subprocess.Popen(
        [*PROGRAM, "ui", "--no-open", "--sandbox", *options], cwd=project.root, env=environment(FAST), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def asked(url: str, path: str, act: Mapping[str, str] | None = None) -> tuple[int, Any]:
    address, _, token = url.partition("#token=")
    headers = {"Authorization": f"Bearer {token}"}
    if act is not None:
        headers |= {"Origin": address.rstrip("/"), "Content-Type": "application/json"}
    body = json.dumps(act).encode() if act is not None else None
    request = urllib.request.Request(address + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_tells_what_the_commands_tell_and_ends_with_ctrl_c(project: Project) -> None:
    project.write(2)
    with project.manifest.open("a", encoding="utf-8") as manifest:
        manifest.write('\n[jobs.nightly]\nrun = "mass_redeploy"\nschedule = "0 3 * * *"\n')
    assert run(project.root, "deploy", "--sandbox", "--yes", environ=FAST).code == 0
    with page(project) as (process, url):
        runs = asked(url, "api/runs")[1]["runs"]
        assert [one["state"] for one in runs] == ["done"]
        plan = asked(url, "api/plan?functions=")[1]
        keys = [unit["function"] for unit in plan["units"]]
        assert (plan["schema"], len(keys), plan["counts"]["unchanged"]) == ("orchestrator/plan/1", 2, 2)
        why = asked(url, f"api/why/{keys[0]}")[1]
        assert (why["function"], why["runs"][0]["run_id"]) == (keys[0], runs[0]["run_id"])
        assert asked(url, "api/jobs")[1]["jobs"][0]["job"] == "nightly"
        assert asked(url, "api/jobs/nightly")[1]["schema"] == "orchestrator/board/1"
        status, reported = asked(url, "api/why/--help")  # a name, never an option
        assert (status, "--help" in reported["error"]) == (422, True)
        status, reported = asked(url, "api/plan?functions=@/etc/passwd")
        assert (status, reported["error"]) == (422, "the page cannot read @FILE")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert (process.returncode, out) == (0, "")
        assert err == "anyone who has this address can see your runs; Ctrl-C stops this page, not the runs\n"


def test_a_run_is_paused_and_resumed_from_the_page(project: Project) -> None:
    project.write(18)
    log, slow = project.root / "events.ndjson", {"ORCHESTRATOR_DURATIONS": "fixed:4"}
    deploy = ("deploy", "--sandbox", "--yes", "--events", str(log))
    with (
        page(project, "--allow-actions") as (served, url),  # before the run, which could end until the page is there
        forked(project.root, *deploy, environ=slow) as process,
    ):
        wait_for(lambda: count_events(log, "operation_accepted") >= 1, process)
        found = asked(url, "api/runs")[1]["runs"][0]
        act = {"verb": "pause", "run": found["run_id"], "environment": ""}
        assert asked(url, "api/actions", act)[1]["pid"] == process.pid
        assert process.wait(TIMEOUT_S) == 3
        assert asked(url, "api/runs")[1]["runs"][0]["state"] == "interrupted"
        status, reported = asked(url, "api/actions", act)
        assert (status, reported["error"]) == (422, "this run is not in progress on this machine")
        act["verb"] = "resume"
        assert asked(url, "api/actions", act)[1]["exit_code"] is None

        def begun() -> Any:
            return asked(url, "api/actions")[1]["actions"][0]

        wait_for(lambda: begun()["exit_code"] is not None, served)
        assert (begun()["exit_code"], begun()["ended"]) == (0, "done"), begun()["said"]
        assert "18 deployed" in begun()["said"]
        assert asked(url, "api/runs")[1]["runs"][0]["state"] == "done"
