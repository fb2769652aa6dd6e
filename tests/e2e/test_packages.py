"""The contents of packages, with the real program: its own files are excluded, and a mistake fails one function
only.
"""

from __future__ import annotations

import json

from tests.e2e.harness import Cloud, Project, run

MANIFEST = """
include = ["team.toml"]
[cloud]
folder_id = "{folder_id}"
[defaults]
runtime = "python312"
memory = "128MB"
timeout = "3s"
entrypoint = "index.handler"
create = true
[functions.whole]
source = "."
exclude = ["[[:digit:]].txt", "!/notes.md"]
files = {{ "common/" = "notes.md" }}
[functions.secretive]
source = "secretive"
[functions.backwards]
source = "secretive"
exclude = ["[z-a]", "/.env"]
[functions.built]
source = "dist"
build = {{ command = "echo ran >> ran.log; mkdir -p dist; cp index.py dist", folder = ".", inputs = ["index.py"] }}
"""


def test_what_is_left_out_what_is_refused_and_what_is_not_built_again(cloud: Cloud, project: Project) -> None:
    root = project.root
    project.manifest.write_text(MANIFEST.format(folder_id=project.folder_id))
    (root / "team.toml").write_text("")
    (root / "secretive").mkdir()
    for name in ("index.py", "secretive/index.py"):
        (root / name).write_text("def handler(event, context): ...\n")
    for name in ("1.txt", "notes.md", "readme.md", "secretive/.env"):
        (root / name).write_text(name)
    (root / ".orchestratorignore").write_text("\ufeff*.md\r\n/dist/\r\nran.log\r\n/secretive/\r\n", "utf-8")
    options = ("--state", "state", "-o", "json")
    ends = [run(root, "plan", *options, *names, environ=cloud.environ()) for names in ((), ("built",))]
    assert ends[0].out, ends[0].err
    units = {unit["function"]: unit for unit in json.loads(ends[0].out)["units"]}
    assert {name: unit["action"] for name, unit in units.items()} == {
        "whole": "create", "secretive": "blocked", "backwards": "blocked", "built": "create",
    }  # fmt: skip
    assert {"deploy.toml", "team.toml", "state/", "1.txt", "readme.md"} <= set(units["whole"]["left_out"])
    assert "notes.md" not in units["whole"]["left_out"]
    assert "secretive/.env may hold secrets" in units["secretive"]["reason"]
    assert "backwards: z-a" in units["backwards"]["reason"]
    assert "Warning" not in ends[0].err  # Python's own warning about regular expressions
    assert (root / "ran.log").read_text() == "ran\n"
    assert "not built again" in ends[1].err
