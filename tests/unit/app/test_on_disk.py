"""`validate` finds the errors of a plan that need neither the cloud nor a build."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.app.commands.validate import validate_command
from orchestrator.errors import Exit
from orchestrator.report.views import FindingsView

HEAD = """\
[cloud]
folder_id = "b1g"
[defaults]
runtime = "python312"
entrypoint = "index.handler"
memory = "128MB"
"""
FUNCTION = '[functions.fun]\nsource = "src"\n'
AT = "deploy.toml:7: functions.fun: "
JOB = "deploy.toml:9: jobs.night: "


def validated(folder: Path, text: str) -> tuple[list[str], list[str]]:
    (folder / "deploy.toml").write_text(HEAD + text)
    result = validate_command(Path("deploy.toml"))
    assert isinstance(result.view, FindingsView)
    assert result.exit is (Exit.USAGE if result.view.mistakes else Exit.DONE)
    return [str(mistake) for mistake in result.view.mistakes], list(result.view.warnings)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.py").write_text("def handler(event, context): ...\n")
    return tmp_path


SOURCES = {
    "a pattern with a leading ./": ('exclude = ["./x"]', 'exclude: "./x" can never match: write "/x"'),
    "a pattern with its own folder": ('exclude = ["src/x"]', 'exclude: "src/x" can never match: it begins with'),
    "an open bracket": ('include = ["[a"]', 'include: "[a" '),
    "an include that names nothing": ('include = ["index.py", "indx.py"]', 'include: "indx.py" matches no file of src'),
    "an empty package": ('exclude = ["*"]', "the package of src would be empty"),
    "an entry point that names no function": ('entrypoint = "index"', 'entrypoint "index" names no function'),
    "an entry point that is not there": ('entrypoint = "man.handler"', 'entrypoint "man.handler": the package has no'),
    "a path laid twice": (
        'files = { "a" = "src/index.py", "./a" = "src" }',
        'files: "./a" and "a" place files at the same path',
    ),
}


@pytest.mark.parametrize("case", SOURCES)
def test_what_a_plan_refuses_of_a_source_is_a_mistake(project: Path, case: str) -> None:
    keys, rule = SOURCES[case]
    (mistake,), _ = validated(project, f"{FUNCTION}{keys}\n")
    assert mistake.startswith(AT + rule)


WITHOUT_FILES = ["a pattern with a leading ./", "an open bracket", "an entry point that names no function"]


@pytest.mark.parametrize("case", WITHOUT_FILES)
def test_of_a_source_that_is_built_what_no_build_can_mend_is_reported(project: Path, case: str) -> None:
    keys, rule = SOURCES[case]
    text = f'{FUNCTION}build = {{ command = "touch built", folder = "src" }}\n{keys}\n'
    (mistake,), _ = validated(project, text)
    assert mistake.startswith(AT + rule)
    assert not (project / "src" / "built").exists()


@pytest.mark.parametrize("keys", ['include = ["made.py"]', 'entrypoint = "made.handler"', 'exclude = ["*"]'])
def test_what_a_build_may_make_is_not_looked_for(project: Path, keys: str) -> None:
    text = f'{FUNCTION}build = {{ command = "true", folder = "src" }}\n{keys}\n'
    assert validated(project, text) == ([], [])


def test_secrets_of_developers_and_links_out_are_reported(project: Path) -> None:
    (project / "src" / ".env").write_text("A=1")
    (project / "src" / "out").symlink_to("/etc")
    ((mistake,), _) = validated(project, FUNCTION)
    assert ".env" in mistake


def test_doubts_are_warnings(project: Path) -> None:
    text = FUNCTION + 'include = ["*.py", "*.json"]\n'
    assert validated(project, text) == ([], [f'{AT}include: "*.json" matches no file of src'])
    node = text.replace(', "*.json"', "") + 'runtime = "nodejs22"\n'
    (mistake,), _ = validated(project, node)
    assert mistake.startswith(f'{AT}entrypoint "index.handler": the package has no index.js')
    (project / "src" / "package.json").write_text("{}")
    _, (warning,) = validated(project, node.replace('["*.py"]', '["*.py", "package.json"]'))
    assert warning.endswith("not an error, because package.json may make it in the cloud")


def test_what_many_functions_share_is_said_once(project: Path) -> None:
    functions = "".join(f'[functions.fun-{number}]\nsource = "src"\n' for number in range(5))
    (mistake,), _ = validated(project, f'exclude = ["./x"]\n{functions}')
    assert mistake.startswith('deploy.toml:8: functions.fun-0: exclude: "./x" can never match: write "/x"')
    assert mistake.endswith("(concerns fun-0, fun-1, fun-2 and 2 more)")


def test_what_is_too_large_is_reported(project: Path) -> None:
    (project / "src" / "big").write_bytes(os.urandom(4 << 20))
    assert validated(project, FUNCTION)[0] == []
    _, (warning,) = validated(project, FUNCTION)
    assert "without a bucket, at most 3,670,016" in warning
    assert validated(project, f'{FUNCTION}[storage]\nbucket = "packages"\n') == ([], [])


JOBS = {
    "a name that is none": ('run = "mass_redeploy"\nselect = ["fn"]', 'no function matches "fn"; did you mean "fun"?'),
    "a glob that finds nothing": ('run = "mass_redeploy"\nselect = ["x-*"]', 'no function matches "x-*"'),
    "a label that nobody has": ('run = "scheduled"\nselect = ["label:a=b"]', 'no function matches "label:a=b"'),
    "one of several": ('run = "mass_redeploy"\nselect = ["fun", "!x"]', 'no function matches "!x"'),
    "a variable that is a secret": (
        'run = "mass_redeploy"\nenvironment = { TOKEN = "x" }', "fun cannot be changed this way: TOKEN has a secret"
    ),
    "two languages": ('run = "runtime_upgrade"\nfrom = ["nodejs18"]\nto = "python312"', "nodejs18 and python312 are"),
    "from and to": ('run = "runtime_upgrade"\nfrom = ["python312"]\nto = "python312"', "python312 is in `from`"),
}  # fmt: skip


@pytest.mark.parametrize("case", JOBS)
def test_a_job_that_can_do_nothing_is_a_mistake(project: Path, case: str) -> None:
    keys, rule = JOBS[case]
    secret = 'secrets = [{ environment_variable = "TOKEN", id = "e6q", key = "k" }]'
    (mistake,), _ = validated(project, f"{FUNCTION.strip()}\n{secret}\n[jobs.night]\n{keys}\n".replace("\n\n", "\n"))
    assert mistake.startswith(JOB.replace("9", "10") + rule)


def test_a_job_about_live_functions_is_not_judged_without_them(project: Path) -> None:
    job = '[jobs.night]\nrun = "mass_redeploy"\nfunctions = ["legacy-*"]\n'
    assert validated(project, FUNCTION + job) == ([], [])


def test_a_job_of_the_project_may_refuse_what_is_wrong_anyway(project: Path) -> None:
    (project / "jobs").mkdir()
    (project / "jobs" / "own.py").write_text(
        '"""Own."""\nfrom orchestrator.job import Desired, JobError\nPARAMETERS = {}\n'
        "def folders(manifest, given): return []\n"
        'def desired(manifest, live, given): return Desired({}, given["rollout"])\n'
        'def offline(manifest, given): raise JobError("not so", advice="otherwise")\n'
    )
    (mistake,), _ = validated(project, f'{FUNCTION}[jobs.night]\nrun = "own"\n')
    assert mistake == f"{JOB}not so; otherwise"
