"""The reason in a plan names the changed files, where the package of the live version is known here."""

from __future__ import annotations

import json
import shutil

from tests.e2e.harness import Cloud, Project, run


def test_a_plan_names_the_files_that_differ(cloud: Cloud, project: Project) -> None:
    project.write(2)
    source = project.root / "src" / "f000"
    for name in ("old.py", "same.py"):
        (source / name).touch()
    environ = cloud.environ()
    assert run(project.root, "deploy", "--yes", environ=environ).code == 0
    (source / "index.py").write_text("def handler(event, context):\n    return 'another'\n")
    (source / "old.py").unlink()
    (source / "util.py").touch()
    end = run(project.root, "plan", "-o", "json", "--out", "plan.json", environ=environ)
    one, other = sorted(json.loads(end.out)["units"], key=lambda unit: str(unit["function"]))
    assert one["reason"] == "code: index.py, +util.py, -old.py"
    assert one["files"] == {"changed": ["index.py"], "added": ["util.py"], "removed": ["old.py"]}
    assert "files" not in other
    assert "code: index.py, +util.py, -old.py" in run(project.root, "show", "plan.json", "-o", "markdown").out
    for name in "ab":
        (source / f"{name}.py").touch()
    end = run(project.root, "plan", "f000", "-v", environ=environ)
    assert "code: index.py, +a.py, +b.py, 2 more" in end.out
    assert "files of f000: index.py, +a.py, +b.py, +util.py, -old.py" in end.out

    shutil.rmtree(project.state_dir)  # another machine
    end = run(project.root, "plan", "f000", environ=environ)
    assert "new version  package " in end.out
