"""Who is told of a run: with a signature, beside it, and without any say in how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests.e2e.harness import Project, run

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
    seen = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), body))
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


def write(root: Path) -> None:
    (root / "src").mkdir()
    (root / "src" / "index.py").write_text("def handler(event, context): return {}\n")
    (root / "deploy.toml").write_text(MANIFEST)
    (root / "tell.sh").write_text("#!/bin/sh\ncat > told.json\necho $ORCHESTRATOR_NOTICE >> told.json\n")
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
    told = {path.rpartition("/")[2]: (headers, json.loads(body)) for path, headers, body in seen}
    headers, body = told["T0K3N-0123456789"]
    assert (body["kind"], body["run_id"], body["sandbox"]) == ("done", result["run_id"], True)
    assert body["outcomes"] == {"deployed": 1}
    assert headers["X-Orchestrator-Signature"].startswith("sha256=")
    assert headers["Idempotency-Key"] == f"{result['run_id']}:done"
    assert result["warnings"] == ["notify.gone was not told of done: HTTP 410"]
    assert "warning: notify.gone was not told of done: HTTP 410\n" in end.err
    unset = "warning: notify.nobody is told nothing: deploy.toml:21: a variable of its url is not set\n"
    assert unset in end.err
    document, notice = (project.root / "told.json").read_text().rsplit("}", 1)
    assert (json.loads(document + "}")["kind"], notice.strip()) == ("done", "done")
    assert not [one for one in ("T0K3N", "s3cr3t") if one in end.out + end.err]
