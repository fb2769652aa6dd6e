"""`package` of the installed program: the contents, the zip that is sent, the differences from the live one."""

from __future__ import annotations

import hashlib
import json
import shutil

from tests.e2e.harness import BUCKET, Cloud, Project, run


def test_a_package_is_listed_written_and_compared(cloud: Cloud, project: Project) -> None:
    project.write(1, more='[functions.copy]\nversion_id = "$latest"\nname = "f000"\nid = "d4e"\n')
    source = project.root / "src" / "f000"
    (source / "notes.md").touch()
    (source / ".orchestratorignore").write_text("*.md\n")
    end = run(project.root, "package", "f000", "-v")
    assert end.code == 0, end.err
    assert end.out.splitlines()[0].split() == ["mode", "bytes", "sha256", "file"]
    assert 'left out: notes.md (src/f000/.orchestratorignore "*.md")' in end.out

    end = run(project.root, "package", "f000", "--out", "f.zip", "-o", "json")
    sha256 = hashlib.sha256((project.root / "f.zip").read_bytes()).hexdigest()
    assert json.loads(end.out)["zip"]["sha256"] == sha256
    end = run(project.root, "package", "f000", "--out", "f.zip")
    assert (end.code, end.out) == (2, "")
    assert "f.zip exists already" in end.err
    assert sorted(path.name for path in project.root.iterdir()) == [".orchestrator", "deploy.toml", "f.zip", "src"]

    environ = cloud.environ()
    end = run(project.root, "package", "f000", "--diff", environ=environ)
    assert end.out == "+index.py\nf000: no live version yet: 1 new file\n"
    project.write(1)
    log = project.root / "events.ndjson"
    assert run(project.root, "deploy", "--yes", "--events", str(log), environ=environ).code == 0
    assert f'"sha256":"{sha256}"' in log.read_text()  # the sent zip is the written one
    (source / "util.py").touch()
    end = run(project.root, "package", "f000", "--diff", "-o", "json", environ=environ)
    assert json.loads(end.out)["difference"]["files"] == {"changed": [], "added": ["util.py"], "removed": []}
    shutil.rmtree(project.state_dir)
    end = run(project.root, "package", "f000", "--diff", environ=environ)
    assert "f000: cannot compare: no run of this state folder has packed the code of version" in end.out


def test_what_cannot_be_packed_is_reported(project: Project) -> None:
    more = (
        '[functions.f009]\nversion_id = "$latest"\n[functions.f008]\nsource = "src"\nbuild = { command = "exit 3" }\n'
    )
    project.write(1, more=more)
    for arguments, code, reported in (
        (("f009",), 2, "f009 has no source, so there is nothing to package"),
        (("f00*",), 2, "matches 3 functions"),
        (("f0",), 2, 'no function matches "f0"'),
        (("f000", "--list", "--diff"), 2, "--list and --diff cannot be combined"),
        (("f008",), 1, "failed with exit status 3"),
        (("f000", "--out", "no/f.zip"), 6, "no/f.zip cannot be written"),
    ):
        end = run(project.root, "package", *arguments)
        assert (end.code, end.out) == (code, ""), end.err
        assert reported in end.err
    assert BUCKET in project.manifest.read_text()  # and the cloud was not contacted: there are no credentials
