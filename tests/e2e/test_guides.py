"""The tutorial and the how-to guides, carried out from top to end."""

from __future__ import annotations

from pathlib import Path

from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.guides import Reader
from tests.e2e.harness import Cloud, Project, embedded, run
from tests.long import LONG

SECRET = "e6qsecret0000000000x"
OLD, NEW = "e6qformer000000000xx", "e6qversion000000000x"


def elsewhere(project: Project, cloud: Cloud, runtime: str, *names: str, more: str = "") -> None:
    """Make functions with another manifest: their sources are not available afterwards."""
    other = Project(project.root.parent / "elsewhere", project.folder_id)
    other.root.mkdir()
    other.write(1)
    tables = "".join(f'[functions.{name}]\nsource = "src/f000"\nruntime = "{runtime}"\n{more}' for name in names)
    other.manifest.write_text(other.manifest.read_text().split("[functions.")[0] + tables)
    end = run(other.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err


def test_the_tutorial(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "shop", None)
    reader.root.mkdir()
    reader.follow("tutorial.md")
    assert (reader.root / "report.html").stat().st_size > 10_000


def test_a_mass_redeploy(cloud: Cloud, project: Project) -> None:
    elsewhere(project, cloud, "python312", "legacy-a", "legacy-b")
    project.write(1)
    project.manifest.write_text(project.manifest.read_text().replace("[functions.f000]", "[functions.auth-login]"))
    Reader(project.root, cloud).follow("mass-redeploy.md")
    latest = [version for version in cloud.versions(project.folder_id) if "$latest" in version.get("tags", [])]
    assert sorted(version.get("environment", {}).get("LEVEL", "") for version in latest) == ["", "debug", "debug"]


@LONG
def test_jobs_from_cron(cloud: Cloud, project: Project) -> None:
    Reader(project.write(2).root, cloud).follow("cron.md")
    again = run(project.root, "run", "nightly", "--due", "--yes", environ=cloud.environ())
    assert 'nothing is due for job "nightly"; next: ' in again.err


def test_a_plan_that_is_reviewed(cloud: Cloud, project: Project) -> None:
    """The commands of README's fifth recipe, with the review comment between them."""
    project.write(2)
    planned = run(project.root, "plan", "--out", "plan.json", "--upload", environ=cloud.environ())
    assert (planned.code, "storing 2 packages" in planned.err) == (0, True), planned
    shown = run(project.root, "show", "plan.json", "-o", "markdown", environ=cloud.environ())
    assert "| `f000` | create | `the function does not exist yet` |" in shown.out
    deployed = run(project.root, "deploy", "--plan", "plan.json", "--yes", environ=cloud.environ())
    assert (deployed.code, "2 functions: 2 deployed" in deployed.out) == (0, True), deployed


@LONG
def test_a_runtime_migration(cloud: Cloud, project: Project) -> None:
    elsewhere(project, cloud, "python39", "reports", "legacy-report")
    Reader(project.write(0).root, cloud).follow("runtime-migration.md")


def test_a_canary(cloud: Cloud, project: Project) -> None:
    project.write(3, defaults='use = ["checked"]\n')
    project.manifest.write_text(project.manifest.read_text().replace("[functions.f000]", "[functions.auth-login]"))
    for handler in (project.root / "src").glob("*/index.py"):
        handler.write_text("def handler(event, context):\n    return {'ok': event['ping']}\n")
    reader = Reader(project.root, cloud)

    def a_former_version() -> None:
        end = run(project.root, "deploy", "--yes", environ=cloud.environ())
        assert end.code == 0, end.err
        text = project.manifest.read_text()
        project.manifest.write_text(text.replace("[defaults]", '[defaults]\nenvironment = { A = "1" }'))

    reader.follow("canary.md", step_2=a_former_version)


@LONG
def test_many_machines(cloud: Cloud, project: Project) -> None:
    Reader(project.write(2).root, cloud).follow("machines.md")


@LONG
def test_rotating_a_secret(tmp_path: Path, project: Project) -> None:
    row = f'secrets = [{{ environment_variable = "DB_PASSWORD", id = "{SECRET}", key = "password" }}]\n'
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0")) as (cloud, served):
        seeds = served.cloud.seeds
        seeds.add_secret(project.folder_id, "db", id=SECRET, version_id=OLD, keys=["password"])
        project.write(1)
        (project.root / "payments").mkdir()
        (project.root / "payments" / "index.py").write_text("def handler(event, context):\n    return {}\n")
        elsewhere(project, cloud, "python312", "legacy-a", more=row)

        def both_deployed() -> None:
            end = run(project.root, "deploy", "--yes", environ=cloud.environ())
            assert end.code == 0, end.err
            seeds.add_secret(project.folder_id, "db", id=SECRET, version_id=NEW, keys=["password"])

        Reader(project.root, cloud).follow("secrets.md", step_2=both_deployed)
        back = run(project.root, "rollback", "--yes", environ=cloud.environ())
        assert back.code == 0, back.err
