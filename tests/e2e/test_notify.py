"""Notifications of a run: signed, concurrent with it, and without effect on its end."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.harness import Project, daily, run, terminal
from tests.published import published

MANIFEST = """
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
source = "src"
create = true
[functions.auth]
[notify.ops]
on = ["done", "failed"]
url = "${HOOK}"
secret = "${KEY}"
[notify.gone]
on = ["done"]
url = "${HOOK}/gone"
[notify.cmd]
on = ["done"]
command = ["./tell.sh"]
[notify.nobody]
on = ["done"]
url = "${NOBODY}"
[notify.off]
on = ["done"]
url = "${NOBODY:-}"
"""


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    seen, bodies = [], list[bytes]()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), body))
            bodies.append(body)
            self.send_response(410 if self.path.endswith("/gone") else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/T0K3N-0123456789", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert {published(json.loads(body)) for body in bodies} <= {"notification"}


def write(root: Path) -> None:
    (root / "src").mkdir()
    (root / "src" / "index.py").write_text("def handler(event, context): return {}\n")
    (root / "deploy.toml").write_text(MANIFEST)
    (root / "tell.sh").write_text("#!/bin/sh\ncat > notice.json\necho $ORCHESTRATOR_NOTICE >> notice.json\n")
    (root / "tell.sh").chmod(0o755)


def test_a_run_tells_of_itself_and_a_plan_does_not(project: Project) -> None:
    write(project.root)
    with receiver() as (url, seen):
        environ = {"HOOK": url, "KEY": "s3cr3t-of-the-hook"}
        planned = run(project.root, "plan", "--sandbox", environ=environ)
        dry = run(project.root, "deploy", "--sandbox", "--dry-run", environ=environ)
        assert (planned.code, dry.code, seen) == (0, 0, [])
        end = run(project.root, "deploy", "--sandbox", "-o", "json", "--log-level", "debug", environ=environ)
    assert end.code == 0
    result = json.loads(end.out)
    reported = {path.rpartition("/")[2]: (headers, json.loads(body)) for path, headers, body in seen}
    headers, body = reported["T0K3N-0123456789"]
    assert (body["kind"], body["run_id"], body["sandbox"]) == ("done", result["run_id"], True)
    assert body["outcomes"] == {"deployed": 1}
    assert headers["X-Orchestrator-Signature"].startswith("sha256=")
    assert headers["Idempotency-Key"] == f"{result['run_id']}:done"
    assert result["warnings"] == ["notify.gone was not notified of done: HTTP 410: check its url"]
    assert "warning: notify.gone was not notified of done: HTTP 410: check its url\n" in end.err
    unset = "warning: notify.nobody is off: deploy.toml:21: a variable of its url is not set\n"
    assert unset in end.err
    document, notice = (project.root / "notice.json").read_text().rsplit("}", 1)
    assert published(json.loads(document + "}")) == "notification"
    assert (json.loads(document + "}")["kind"], notice.strip()) == ("done", "done")
    assert not [one for one in ("T0K3N", "s3cr3t") if one in end.out + end.err]


GONE = "http://127.0.0.1:9"  # nobody listens there


def failed_of(seen: list[tuple[str, dict[str, str], bytes]]) -> list[dict[str, Any]]:
    """Give what was posted as failed, and forget all."""
    reported = [json.loads(body) for path, headers, body in seen if headers["X-Orchestrator-Kind"] == "failed"]
    seen.clear()
    return reported


def test_a_run_that_cannot_start_is_reported_where_nobody_sits(project: Project) -> None:
    write(project.root)
    with receiver() as (url, seen):
        environ = {"HOOK": url, "KEY": "s3cr3t-of-the-hook", "YC_IAM_TOKEN": "t1.token", "YC_FOLDER_ID": "b1g"}
        end = run(project.root, "deploy", "--yes", "--endpoint", GONE, environ=environ)
        (body,) = failed_of(seen)
        assert (end.code, body["exit_code"], body["run_id"], body["functions"]) == (6, 6, "", 0)
        assert (body["verb"], body["endpoint"], body["sandbox"]) == ("deploy", GONE, False)
        assert body["reason"].startswith("could not start: ")
        for quiet in (("--dry-run",), ("--yes", "--no-such-option")):
            assert run(project.root, "deploy", *quiet, "--endpoint", GONE, environ=environ).code in (2, 6)
        assert run(project.root, "plan", "--endpoint", GONE, environ=environ).code == 6
        assert failed_of(seen) == []
        with terminal(project.root, "deploy", "--endpoint", GONE, environ=environ) as screen:
            assert screen.end().code == 6
        assert failed_of(seen) == []


def test_mistakes_are_reported_where_the_manifest_says_to_whom(project: Project) -> None:
    write(project.root)
    manifest = project.root / "deploy.toml"
    with receiver() as (url, seen):
        environ = {"HOOK": url, "KEY": "s3cr3t-of-the-hook", "YC_FOLDER_ID": "b1g"}
        manifest.write_text(MANIFEST + "[functions.lost]\nsource = 'nowhere'\n")
        assert run(project.root, "deploy", "--sandbox", environ=environ).code == 2
        (body,) = failed_of(seen)
        assert (body["exit_code"], body["causes"][0]["functions"]) == (2, ["lost"])
        assert "nowhere" in body["causes"][0]["message"]
        manifest.write_text(MANIFEST + "[rollout]\nwaves = 3\n")  # which stops every run
        assert run(project.root, "deploy", "--sandbox", environ=environ).code == 2
        (body,) = failed_of(seen)
        assert "rollout.waves" in "".join(one["message"] for one in body["causes"])
        manifest.write_text(MANIFEST + "[functions.auth\n")  # no TOML, so nothing in it counts
        assert run(project.root, "deploy", "--sandbox", environ=environ).code == 2
        assert failed_of(seen) == []


def test_a_due_job_reports_one_reason_once(project: Project) -> None:
    write(project.root)
    (project.root / "deploy.toml").write_text(MANIFEST + f'[jobs.nightly]\nrun = "scheduled"\nschedule = "{daily()}"\n')
    line = "run", "nightly", "--due", "--yes"
    with receiver() as (url, seen):
        environ = {"HOOK": url, "KEY": "s3cr3t-of-the-hook", "YC_IAM_TOKEN": "t1.token", "YC_FOLDER_ID": "b1g"}
        for _ in range(2):
            assert run(project.root, *line, "--endpoint", GONE, environ=environ).code == 6
        (body,) = failed_of(seen)
        assert (body["job"], body["next"].rpartition("; ")[2]) == (
            "nightly", "this notification is repeated only after 6 hours",
        )  # fmt: skip
        assert run(project.root, *line, "--sandbox", environ=environ).code == 0  # it could start, so a new count begins
        assert run(project.root, *line, "--endpoint", GONE, environ=environ).code == 6
        assert len(failed_of(seen)) == 1


def test_a_plan_of_which_all_is_blocked_is_reported(project: Project) -> None:
    write(project.root)
    with receiver() as (url, seen):
        environ = {"HOOK": url, "KEY": "s3cr3t-of-the-hook"}
        (project.root / "deploy.toml").write_text(MANIFEST.replace("create = true", "create = false"))
        assert run(project.root, "deploy", "--sandbox", environ=environ).code == 1
        (body,) = failed_of(seen)
        assert (body["exit_code"], body["outcomes"]) == (1, {"blocked": 1})
        assert body["run_id"]


def test_a_lock_that_is_held_is_reported(project: Project) -> None:
    write(project.root)
    with receiver() as (url, seen):
        environ = {"HOOK": url, "KEY": "s3cr3t-of-the-hook"}
        project.state_dir.mkdir()
        with (project.state_dir / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert run(project.root, "deploy", "--sandbox", environ=environ).code == 4
        assert [one["exit_code"] for one in failed_of(seen)] == [4]
