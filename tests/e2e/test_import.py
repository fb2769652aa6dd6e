"""A team with hundreds of functions made by hand imports them, adds sources and upgrades the runtime. Edits in the
console come back into the manifest.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from difflib import ndiff
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Cloud, Ended, Project, run, sandbox, terminal

FOLDERS = ("b1gone", "b1gtwo", "b1gthree")
TEAMS = ("auth", "media", "billing")
SECRETS = {f"{team.upper()}_API_TOKEN": f"{team}-hunter2" for team in TEAMS}


def by_hand(number: int) -> dict[str, Any]:
    """Return one of 300 functions that were made by hand long ago."""
    team, folder_id = TEAMS[number // 3 % 3], FOLDERS[number % 3]
    version = {
        "runtime": "python311" if number % 7 == 0 else "python312", "entrypoint": "index.handler",
        "resources": {"memory": str((1 + number % 2) * 128 << 20)}, "executionTimeout": "10s",
        "environment": {"LEVEL": "info", "TEAM": team, "API_TOKEN": SECRETS[f"{team.upper()}_API_TOKEN"]},
        "serviceAccountId": f"aje{team}{folder_id}", "tag": ["stable"] if number % 50 == 0 else [],
        "secrets": [
            {"id": f"e6q{folder_id}", "versionId": f"e6v{folder_id}", "key": "db", "environmentVariable": "DB"},
        ],
    }  # fmt: skip
    return {
        "folder_id": folder_id, "name": f"{team}-{number:03}", "labels": {"team": team},
        "versions": [version],
        "scaling": {"$latest": {"provisionedInstancesCount": "1"}} if number % 90 == 0 else {},
        "public": number % 60 == 0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Yield a cloud with these functions."""
    folder = tmp_path_factory.mktemp("town")
    seeds = {
        "functions": [by_hand(number) for number in range(300)],
        "service_accounts": [
            {"folder_id": one, "name": f"{team}-runner", "id": f"aje{team}{one}"} for one in FOLDERS for team in TEAMS
        ],
        "secrets": [
            {"folder_id": one, "name": "database", "id": f"e6q{one}", "version_id": f"e6v{one}", "keys": ["db"]}
            for one in FOLDERS
        ],
    }
    (folder / "seeds.json").write_text(json.dumps(seeds))
    with sandbox(folder, "--durations", "fixed:0.05", "--seed", str(folder / "seeds.json")) as found:
        yield found


def said(root: Path, cloud: Cloud, *arguments: str, code: int = 0) -> Ended:
    end = run(root, *arguments, environ=cloud.environ() | SECRETS)
    assert end.code == code, end.out + end.err
    assert "hunter2" not in end.out + end.err
    return end


def counts(root: Path, cloud: Cloud) -> dict[str, int]:
    found: dict[str, int] = json.loads(said(root, cloud, "plan", "-o", "json").out)["counts"]
    return {action: number for action, number in found.items() if number}


def test_from_300_functions_made_by_hand_to_a_manifest_that_is_kept(town: Cloud, tmp_path: Path) -> None:
    said(tmp_path, town, "import", *(part for one in FOLDERS for part in ("--folder", one)), "--out", "deploy.toml")
    manifest = tmp_path / "deploy.toml"
    text = manifest.read_text()
    assert "hunter2" not in text
    assert text.count("\n") < 450  # 300 functions
    read = tomllib.loads(text)
    assert {*read["templates"]} == set(TEAMS)
    assert read["templates"]["auth"]["service_account"] == "auth-runner"
    assert read["defaults"]["secrets"] == [{"environment_variable": "DB", "key": "db", "name": "database"}]
    public = [name for name, one in read["functions"].items() if one.get("public")]
    scaled = [name for name, one in read["functions"].items() if one.get("scaling")]
    assert (len(public), len(scaled)) == (5, 4)
    assert counts(tmp_path, town) == {"unchanged": 300}
    assert said(tmp_path, town, "import", "--cloud", "sandbox-cloud", "-o", "json").out.count("auth-000") > 0

    given = [f"auth-{number:03}" for number in range(9, 99, 9)]
    for name in given:
        (tmp_path / "src" / name).mkdir(parents=True)
        (tmp_path / "src" / name / "index.py").write_text("def handler(event, context):\n    return 1\n")
    sources = [f'\n[functions.{name}]\nsource = "src/{name}"\n' for name in given if f"\n{name} = {{" not in text]
    for name in given:
        text = text.replace(f"\n{name} = {{", f'\n{name} = {{ source = "src/{name}",', 1)
    manifest.write_text(text + "".join(sources))
    plan = json.loads(said(tmp_path, town, "plan", "-o", "json").out)
    assert {unit["function"] for unit in plan["units"] if unit["action"] != "unchanged"} == set(given)
    said(tmp_path, town, "deploy", "--yes", *given)
    assert counts(tmp_path, town) == {"unchanged": 300}

    job = '\n[jobs.up]  # ours\nrun = "runtime_upgrade"\nfrom = ["python311"]\nto = "python313"\n'
    manifest.write_text(manifest.read_text() + job)
    before = manifest.read_text().splitlines()
    shown = said(tmp_path, town, "run", "up", "--update-manifest", "--dry-run")
    assert 'python313"' in shown.err
    assert manifest.read_text().splitlines() == before
    end = said(tmp_path, town, "run", "up", "--update-manifest", "--yes")
    assert "written for 43 functions: deploy.toml" in end.err
    changed = [line for line in ndiff(before, manifest.read_text().splitlines()) if line[:1] in "+-"]
    assert all("python311" in line for line in changed if line[0] == "-")
    assert all("python313" in line or line[2:3] in ("", "[") for line in changed if line[0] == "+")
    assert counts(tmp_path, town) == {"unchanged": 300}


def test_functions_of_terraform_are_taken_over(town: Cloud, tmp_path: Path) -> None:
    found = next(one for one in town.functions(FOLDERS[0]) if one["name"] == "media-003")
    version = by_hand(3)["versions"][0]
    attributes = {
        "id": found["id"], "name": "media-003", "folder_id": FOLDERS[0], "memory": 256, "execution_timeout": "20",
        "runtime": version["runtime"], "entrypoint": "index.handler", "environment": version["environment"],
        "service_account_id": version["serviceAccountId"], "labels": {"team": "media"},
        "content": [{"zip_filename": "dist/media.zip"}],
    }  # fmt: skip
    resource = {"type": "yandex_function", "name": "media", "instances": [{"attributes": attributes}]}
    (tmp_path / "terraform.tfstate").write_text(json.dumps({"version": 4, "resources": [resource]}))
    end = said(tmp_path, town, "import", "--from", "terraform.tfstate", "--out", "deploy.toml")
    assert "media-003: live value differs: timeout 10s → 20s" in end.err
    assert "media-003: live value differs: secrets: -DB" in end.err
    assert "`orchestrator plan -c deploy.toml` shows what would change" in end.out
    text = (tmp_path / "deploy.toml").read_text()
    assert "# code in Terraform: dist/media.zip" in text
    assert tomllib.loads(text)["functions"]["media-003"]["id"] == found["id"]
    refused = run(tmp_path, "import", "--from", "deploy.toml", environ=town.environ())
    assert (refused.code, "not JSON" in refused.err) == (2, True)
    both = run(tmp_path, "import", "--from", "terraform.tfstate", "--folder", "x", environ=town.environ())
    assert (both.code, "--from determines the folders" in both.err) == (2, True)


def console_edit(cloud: Cloud, folder_id: str, **changes: Any) -> str:
    """Make a version of the one function of a folder in the console."""
    (function,) = cloud.functions(folder_id)
    (version,) = [one for one in cloud.versions(folder_id) if "$latest" in one.get("tags", ())]
    kept = ("runtime", "entrypoint", "resources", "executionTimeout", "environment", "description")
    body = {name: version[name] for name in kept if name in version} | changes
    made = cloud.post(
        "versions", {"functionId": function["id"], "versionId": version["id"], **body}, token=cloud.token()
    )
    return str(made["metadata"]["functionVersionId"])


def test_an_edit_in_the_console_comes_back_into_the_manifest(cloud: Cloud, project: Project) -> None:
    project.write(1)
    environ = cloud.environ()
    assert run(project.root, "deploy", "--yes", environ=environ).code == 0
    text = project.manifest.read_text()
    kept = text.replace('source = "src/f000"', 'version_id = "$latest"   # its source is elsewhere')
    project.manifest.write_text(f"# by hand\n{kept}")
    console_edit(cloud, project.folder_id, resources={"memory": str(512 << 20)}, environment={"LEVEL": "debug"})
    refused = run(project.root, "import", "--update", environ=environ)
    assert refused.code == 2
    assert "there is no terminal to ask on" in refused.err
    assert "+memory" in refused.err
    with terminal(project.root, "import", "--update", environ=environ) as screen:
        assert "\x1b[32m+memory" in screen.read_until("[y/N]")
        screen.send("n\n")
        assert screen.end().code == 1
    assert project.manifest.read_text() == f"# by hand\n{kept}"
    end = run(project.root, "import", "--update", "--yes", environ=environ)
    assert (end.code, end.out) == (0, "deploy.toml: 1 function written\n")
    added = 'memory = "512MB"\nenvironment = { LEVEL = "debug" }'
    assert project.manifest.read_text().strip() == f"# by hand\n{kept.strip()}\n{added}"
    assert run(project.root, "plan", "--detailed-exitcode", environ=environ).code == 0
    again = run(project.root, "import", "--update", "--yes", environ=environ)
    assert (again.code, again.out) == (0, "nothing to write: the manifest matches the live state\n")


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["--out", "deploy.toml"], "the file exists already"),
        (["--out", "."], "--out . is a folder"),
        (["--out", "no/such/deploy.toml"], "there is no folder"),
        (["--update", "--folder", "b1g"], "cannot be combined with --folder"),
        (["--dry-run"], "--dry-run requires --update"),
        (["serverless.yml"], "serverless.yml: no function has such a name"),
        ([], "no folder to import from"),
        (["--folder", "b1gempty"], "no function with a version"),
        (["--cloud", "b1cnone"], "has no folders that are visible to this account"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_written(
    cloud: Cloud, project: Project, arguments: list[str], reported: str
) -> None:
    project.write(1)
    text = project.manifest.read_text()
    end = run(project.root, "import", *arguments, environ=cloud.environ())
    assert end.code == 2
    assert reported in end.err
    assert project.manifest.read_text() == text
