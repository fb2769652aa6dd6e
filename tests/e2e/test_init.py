"""`init` of the installed program: from a folder of functions without a manifest to deployed functions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.e2e.harness import Project, run, terminal

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNTIMES = {"python312", "nodejs22", "golang123", "php82", "java21", "dotnet8", "bash-2204"}


def test_each_language_is_found_validates_plans_and_is_deployed(project: Project) -> None:
    shutil.copytree(EXAMPLES, project.root, dirs_exist_ok=True)
    (project.root / "webhook" / ".env").write_text("TOKEN=hunter2")
    end = run(project.root, "init", "--yes", "-o", "json")
    assert end.code == 0, end.err
    assert "own_job was skipped: it has its own deploy.toml" in end.err
    found = json.loads(end.out)
    assert {one["runtime"] for one in found["functions"]} == RUNTIMES
    assert (found["mistakes"], found["folder_id"], found["bucket"]) == ([], None, None)
    assert run(project.root, "validate").code == 0
    end = run(project.root, "deploy", "--sandbox", "-o", "json")
    assert end.code == 0, end.err
    assert json.loads(end.out)["outcomes"] == {"deployed": len(found["functions"])}

    before = project.manifest.read_text()
    end = run(project.root, "init", "--yes")
    assert (end.code, end.out, project.manifest.read_text()) == (2, "", before)
    assert "deploy.toml exists already, and init never overwrites a file" in end.err


def test_it_asks_on_a_terminal_and_nowhere_else(project: Project) -> None:
    end = run(project.root, "init")
    assert (end.code, end.out) == (2, "")
    assert f"no functions found in {project.root}" in end.err
    (project.root / "hello").mkdir()
    (project.root / "hello" / "index.py").write_text("def handler(event, context): ...\n")
    end = run(project.root, "init")
    assert (end.code, project.manifest.exists()) == (2, False)
    assert "use --yes" in end.err
    with terminal(project.root, "init", environ={"YC_FOLDER_ID": "b1g7"}) as screen:
        screen.read_until("Folder ID [b1g7]: ")
        screen.send("\n")
        screen.read_until("packages up to 3.5 MB]: ")
        screen.send("x!\n")
        screen.read_until("must be a bucket name")
        screen.send("packages\n")
        shown = screen.end()
    assert shown.code == 0, shown.out
    assert "wrote deploy.toml: 1 function" in shown.out
    text = project.manifest.read_text()
    assert 'folder_id = "b1g7"' in text
    assert 'bucket = "packages"' in text


def test_mistakes_in_what_was_written_are_reported(project: Project) -> None:
    (project.root / "hello").mkdir()
    (project.root / "hello" / "index.py").write_text("def handler(event, context): ...\n")
    (project.root / "hello" / "out").symlink_to("/etc")
    end = run(project.root, "init", "--yes")
    assert end.code == 2
    assert "warning: deploy.toml:13: functions.hello" in end.err
    assert "orchestrator validate" in end.out
    end = run(project.root, "init", "--yes", "-c", "nowhere/deploy.toml")
    assert (end.code, end.out) == (2, "")
