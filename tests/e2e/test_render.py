"""`render` of the installed program: its output is an equivalent manifest, and it needs only files."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.harness import run

MANIFEST = """include = ["team/*.toml"]
[defaults]
runtime = "python312"
memory = "128MB"
environment = { API_TOKEN = "hunter2-of-the-api", LEVEL = "${LEVEL}" }
[templates.web]
memory = "256MB"
[functions.one]
use = ["web"]
entrypoint = "index.handler"
source = "nowhere"
enabled = false
labels = { team = "a" }
[functions.broken]
entrypoint = "index.handler"
source = "nowhere"
memory = "3MB"
"""
TEAM = '[functions.two]\nuse = ["web"]\nentrypoint = "index.handler"\nsource = "two"\n'


def test_settings_with_their_origins_offline(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(MANIFEST)
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "a.toml").write_text(TEAM)
    environ = {"LEVEL": "debug", "YC_FOLDER_ID": "b1g"}
    end = run(tmp_path, "render", "!broken", "-v", environ=environ)
    assert (end.code, end.err) == (0, "")
    assert "[functions.two]  # team/a.toml:1" in end.out
    assert 'source = "team/two"                   # team/a.toml:4 [functions.two]' in end.out
    assert 'memory = "256MB"                      # deploy.toml:7 [templates.web], over deploy.toml:4' in end.out
    assert 'environment.LEVEL = "debug"           # deploy.toml:5 [defaults], ${LEVEL}' in end.out
    assert "hunter2" not in end.out
    assert sorted(tmp_path.iterdir()) == [tmp_path / "deploy.toml", tmp_path / "team"]  # nothing is written

    (tmp_path / "team" / "two").mkdir()
    (tmp_path / "deploy.toml").write_text(end.out)  # the output is an equivalent manifest
    again = run(tmp_path, "render", "-o", "json", environ={})
    rows = {one["function"]: one["settings"] for one in json.loads(again.out)["functions"]}
    assert {row["key"]: row["value"] for row in rows["two"]}["source"] == "team/two"


def test_what_cannot_be_shown_is_reported(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(MANIFEST.replace('include = ["team/*.toml"]\n', ""))
    end = run(tmp_path, "render", "-l", "team=a", environ={"LEVEL": "x", "YC_FOLDER_ID": ""})
    assert end.code == 0, end.err  # a disabled one too
    assert end.err == "warning: no folder is set for 1 function: set YC_FOLDER_ID, or folder_id in [cloud]\n"
    assert "folder_id" not in end.out
    end = run(tmp_path, "render", "broken", environ={"LEVEL": "x"})
    assert (end.code, end.out) == (2, "")
    assert 'deploy.toml:16: functions.broken.memory: must be from "128MB" to "8GB"' in end.err
    end = run(tmp_path, "render", "thre", environ={"LEVEL": "x"})
    assert (end.code, end.out) == (2, "")
    assert 'no function matches "thre"' in end.err


def test_settings_are_those_of_the_environment(tmp_path: Path) -> None:
    prod = (
        '[environments.prod]\nvariables = { LEVEL = "warn" }\ncloud = { folder_id = "b1prod" }\n'
        'functions.one.memory = "1GB"\n'
    )
    (tmp_path / "deploy.toml").write_text(MANIFEST.replace("[defaults]", prod + "[defaults]").replace(
        "enabled = false", 'only = ["prod"]').replace('include = ["team/*.toml"]\n', ""))  # fmt: skip
    end = run(tmp_path, "render", "one", "--env", "prod", "-o", "json")
    found = json.loads(end.out)
    values = {row["key"]: row["value"] for row in found["functions"][0]["settings"]}
    assert (found["environment"], values["environment.LEVEL"], values["memory"]) == ("prod", "warn", "1GB")
    assert (values["folder_id"], "only" in values) == ("b1prod", False)
    text = run(tmp_path, "render", "one", "--env", "prod").out
    assert text.startswith("# environment: prod\n\n[functions.one]  # deploy.toml:")
    (tmp_path / "deploy.toml").write_text(text)
    assert run(tmp_path, "render", "one").code == 0
