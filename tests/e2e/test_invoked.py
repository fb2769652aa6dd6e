"""Deployed code answers: real Python, Bash and Node.js, with the installed program and its sandbox."""

from __future__ import annotations

import json
import shutil
import urllib.request
from typing import Any

from tests.e2e.harness import TIMEOUT_S, Cloud, Project, run

SOURCES = {
    "python": ("python312", "index.handler", "index.py", "def handler(event, context): return ['python', event]\n"),
    "bash": ("bash-2204", "handler.sh", "handler.sh", 'read -r event; echo "[\\"bash\\", $event]"\n'),
    "node": ("nodejs22", "index.handler", "index.js", "exports.handler = async (event) => ['node', event];\n"),
}  # fmt: skip


def _invoke(cloud: Cloud, url: str, tag: str) -> tuple[Any, str]:
    request = urllib.request.Request(
        f"{url}?integration=raw&tag={tag}",
        data=b'{"n": 1}',
        method="POST",
        headers={"Authorization": f"Bearer {cloud.token()}"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=TIMEOUT_S) as answer:
        return json.loads(answer.read()), answer.headers["X-Function-Version-Id"]


def test_deployed_functions_answer_by_tag(project: Project, cloud: Cloud) -> None:
    languages = [name for name in SOURCES if name != "node" or shutil.which("node")]
    project.write(0)
    tables = [project.manifest.read_text("utf-8")]
    for name in languages:
        runtime, entrypoint, file, code = SOURCES[name]
        (project.root / name).mkdir()
        (project.root / name / file).write_text(code, "utf-8")
        tables.append(
            f'[functions.{name}]\nsource = "{name}"\nruntime = "{runtime}"\nentrypoint = "{entrypoint}"\n'
            'tags = ["stable"]\n'
        )
    project.manifest.write_text("\n".join(tables), "utf-8")
    end = run(project.root, "deploy", "--yes", environ=cloud.environ(project.folder_id))
    assert end.code == 0, end.err
    live = {version["functionId"]: version["id"] for version in cloud.versions(project.folder_id)}
    functions = cloud.functions(project.folder_id)
    assert len(functions) == len(languages)
    for function in functions:
        assert function["httpInvokeUrl"] == f"{cloud.url}/_invoke/{function['id']}"
        result, version_id = _invoke(cloud, function["httpInvokeUrl"], "stable")
        assert (result, version_id) == ([function["name"], {"n": 1}], live[function["id"]])
