"""The five recipes of README.md, carried out as a reader would."""

from __future__ import annotations

import re

from tests.e2e.harness import ROOT, Cloud, Project, run
from tests.e2e.shells import shell

README = (ROOT / "README.md").read_text("utf-8")


def recipe(title: str) -> dict[str, str]:
    """Give the blocks of a recipe by their language."""
    section = README.split("## Five recipes")[1].split("## Where to go next")[0]
    text = section.split(f"**{title}**")[1].split("\n\n**")[0]
    return dict(re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL))


def live_functions(project: Project, cloud: Cloud, runtime: str, *names: str) -> None:
    """Make functions from somewhere else: their sources are not at hand afterwards."""
    elsewhere = Project(project.root.parent / "elsewhere", project.folder_id)
    elsewhere.root.mkdir()
    elsewhere.write(1)
    tables = "".join(f'[functions.{name}]\nsource = "src/f000"\nruntime = "{runtime}"\n' for name in names)
    elsewhere.manifest.write_text(elsewhere.manifest.read_text().split("[functions.")[0] + tables)
    end = run(elsewhere.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err


def test_mass_redeploy(cloud: Cloud, project: Project) -> None:
    live_functions(project, cloud, "python312", "legacy-a", "legacy-b")
    blocks = recipe("Mass redeploy")
    project.write(1, more=blocks["toml"])
    project.manifest.write_text(project.manifest.read_text().replace("[functions.f000]", "[functions.auth-login]"))
    ends = [shell(line, project.root, cloud) for line in blocks["sh"].splitlines()]
    assert [end.code for end in ends] == [0] * 5, [end.err for end in ends]
    plan, deployed, forced, dry, done = ends
    assert "auth-login  create" in plan.out
    assert "1 function: 1 deployed" in deployed.out
    assert "auth-login  new version  forced" in forced.err
    assert "legacy-a  copy         + environment LEVEL" in dry.out
    assert "2 functions: 2 deployed" in done.out
    latest = [version for version in cloud.versions(project.folder_id) if "$latest" in version.get("tags", [])]
    assert sorted(version.get("environment", {}).get("LEVEL", "") for version in latest) == ["", "debug", "debug"]


def test_scheduled_runs(cloud: Cloud, project: Project) -> None:
    blocks = recipe("Scheduled runs")
    project.write(1, more=blocks["toml"])
    times, command = re.fullmatch(r"((?:\S+\s+){5})(.*)\n", blocks["crontab"]).groups()  # type: ignore[union-attr]  # it must
    assert times.split()[1:] == ["*"] * 4
    end = shell(command.replace("/srv/functions", str(project.root)), project.root, cloud)
    assert (end.code, end.out) == (0, ""), end.err
    assert end.err == "", "cron mails whatever is written"
    told = shell(
        command.replace("--log-level warning", "").replace("/srv/functions", str(project.root)), project.root, cloud
    )
    assert 'nothing is due for job "nightly"; next: ' in told.err


def test_runtime_upgrade(cloud: Cloud, project: Project) -> None:
    live_functions(project, cloud, "python39", "reports", "legacy-report")
    blocks = recipe("Runtime upgrade")
    project.write(0, more=blocks["toml"])
    ends = [shell(line, project.root, cloud) for line in blocks["sh"].splitlines()]
    assert [end.code for end in ends] == [0] * 3, [end.err for end in ends]
    board, dry, done = ends
    assert board.out.startswith("2 functions: 1 waiting, 1 skipped\n")
    assert "reports  copy         ~ runtime python39 → python312" in dry.out
    assert "1 function: 1 deployed" in done.out
    again = shell(blocks["sh"].splitlines()[-1], project.root, cloud)
    assert again.code == 0
    assert "0 functions: nothing to do" in again.out


def test_canary_with_rollback(cloud: Cloud, project: Project) -> None:
    blocks = recipe("Canary with rollback")
    project.write(3, more=blocks["toml"], defaults='use = ["checked"]\n')
    manifest = project.manifest.read_text().replace("[functions.f000]", "[functions.auth-login]")
    project.manifest.write_text(manifest)
    for handler in (project.root / "src").glob("*/index.py"):
        handler.write_text("def handler(event, context):\n    return {'ok': event['ping']}\n")
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    project.manifest.write_text(manifest.replace("[defaults]", '[defaults]\nenvironment = { A = "1" }'))
    ends = [shell(line, project.root, cloud) for line in blocks["sh"].splitlines()]
    assert [end.code for end in ends] == [0] * 5, [end.err for end in ends]
    plan, deployed, dry, back, again = ends
    assert "then verified by a call, then stable moves" in plan.out
    assert "rollback: 3 by copies of the previous versions" in plan.out
    assert "3 functions: 3 deployed" in deployed.out
    assert "tag stable back to" in dry.out
    assert "3 functions" in back.out
    assert "1 function: 1 deployed" in again.out


def test_a_plan_that_is_reviewed(cloud: Cloud, project: Project) -> None:
    blocks = recipe("A plan that is reviewed")
    project.write(2)
    ends = [shell(line, project.root, cloud) for line in blocks["sh"].splitlines()]
    assert [end.code for end in ends] == [0] * 3, [end.err for end in ends]
    planned, shown, deployed = ends
    assert "storing 2 packages" in planned.err
    assert "| `f000` | create | `the folder has no such function` | `is new, and would stay` |" in shown.out
    assert "2 functions: 2 deployed" in deployed.out
