"""Bad manifests: every mistake with its line, exit 2, and no connection."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator import cli
from tests.e2e.harness import Project, run
from tests.long import short_first
from tests.unit.manifest.test_mistakes import OF_A_FUNCTION, OF_A_SOURCE, WHOLE
from tests.unit.manifest.test_tables import FUNCTION, HEAD, SOURCE

BAD = {
    "an unknown key": (FUNCTION + 'memry = "1GB"\n', "deploy.toml:10: functions.fun.memry: unknown key"),
    "a wrong value": (FUNCTION + 'memory = "100MB"\n', "deploy.toml:10: functions.fun.memory: "),
    "two at once": (FUNCTION + 'timeout = "soon"\ntags = "stable"\n', "deploy.toml:11: functions.fun.tags: "),
    "a missing source": (HEAD + '[functions.fun]\nsource = "nowhere"\n', "deploy.toml:9: functions.fun.source: "),
    "a variable that is not set": (FUNCTION + 'description = "${NOPE}"\n', "deploy.toml:10: functions.fun.description"),
    "broken TOML": ("[functions.fun\n", "deploy.toml:1: is not valid TOML"),
    "nothing in it": ("", "no function and no job"),
    "a build without a command": (SOURCE + 'build = { folder = "." }\n', "deploy.toml:10: functions.fun.build.command"),
    "an include that finds nothing": ('include = ["x.toml"]\n' + FUNCTION, "deploy.toml:1: include[0]: no such file"),
}  # fmt: skip


@contextmanager
def watched_port() -> Iterator[tuple[str, list[object]]]:
    """Listen, and record who has connected."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                callers.append(address)
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", callers
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_manifest_sends_nothing(tmp_path: Path, kind: str) -> None:
    text, reported = BAD[kind]
    (tmp_path / "deploy.toml").write_text(text)
    with watched_port() as (url, callers):
        end = run(tmp_path, "deploy", "--yes", "--endpoint", url, environ={"YC_IAM_TOKEN": "t1.a.b"})
    assert end.code == 2
    assert end.out == ""
    assert reported in end.err
    assert re.search(
        r"^error: (\d mistakes? in the manifest\n       fix the lines? listed above|deploy\.toml: declares no .*)$",
        end.err,
        flags=re.MULTILINE,
    )
    assert callers == []
    assert not (tmp_path / ".orchestrator").exists()


def test_validate_names_every_mistake_at_once(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(FUNCTION + 'memry = "1GB"\ntimeout = "soon"\n')
    end = run(tmp_path, "validate")
    assert end.code == 2
    assert end.err.startswith("deploy.toml:10: functions.fun.memry: unknown key")
    assert "\ndeploy.toml:11: functions.fun.timeout: " in end.err
    assert "\nerror: 2 mistakes in the manifest\n" in end.err


def test_validate_gives_mistakes_as_json(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(FUNCTION + 'memry = "1GB"\n')
    end = run(tmp_path, "validate", "-o", "json")
    assert end.code == 2
    found = json.loads(end.out)
    assert found["valid"] is False
    assert [(row["line"], row["key"]) for row in found["mistakes"]] == [(10, "functions.fun.memry")]


def test_a_manifest_that_does_not_exist(tmp_path: Path) -> None:
    end = run(tmp_path, "deploy", "--yes", "-c", "elsewhere.toml")
    assert end.code == 2
    assert "elsewhere.toml: no such file" in end.err


def test_what_is_no_part_of_a_run_cannot_stop_it(project: Project) -> None:
    more = """
[functions.off]
enabled = false
source = "nowhere"
[functions.unset]
source = "nowhere"
environment = { A = "${NOPE}" }
[templates.unused]
memory = "${NOPE}"
"""
    project.write(1, more=more)
    end = run(project.root, "deploy", "f000", "--sandbox")
    assert end.code == 0, end.err
    assert "found mistakes in 2 functions outside this run: run `orchestrator validate` to list them" in end.err
    end = run(project.root, "deploy", "--sandbox")
    assert (end.code, end.out) == (2, "")
    assert end.err.count("functions.unset.") == 2
    assert "functions.off" not in end.err
    assert "templates.unused" not in end.err
    end = run(project.root, "validate")
    assert end.code == 2
    assert "error: 4 mistakes in the manifest" in end.err


def test_a_selection_that_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(FUNCTION)
    end = run(tmp_path, "deploy", "--yes", "nope-*")
    assert end.code == 2
    assert 'no function matches "nope-*"' in end.err


ROWS = [
    *(FUNCTION + row[0] + "\n" for row in OF_A_FUNCTION),
    *(SOURCE + row[0] + "\n" for row in OF_A_SOURCE),
    *(text for text, key, _ in WHOLE if key != "cloud.folder_id"),  # `validate` does not require that yet
]


SPREAD = [row for start in range(8) for row in ROWS[start::8]]  # the first eighth has some of each table


@pytest.mark.parametrize("text", short_first(len(SPREAD) // 8, SPREAD), ids=range(len(SPREAD)))
def test_every_known_mistake_exits_with_2(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deploy.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["orchestrator", "validate"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert out == ""
    assert ended.value.code == 2
    assert re.search(r"^(error: )?deploy\.toml(:\d+)?: ", err)
    assert "in the manifest\n" in err or err.startswith("error: deploy.toml: ")


@pytest.mark.parametrize(
    ("args", "variables", "said"),
    [
        (["deploy"], {"ORCHESTRATOR_LABEL": ""}, "ORCHESTRATOR_LABEL is empty"),
        (["run", "x"], {"ORCHESTRATOR_RUN_PARAM": " "}, "ORCHESTRATOR_RUN_PARAM is empty"),
        (["deploy", "--adopt", "name"], {}, '--adopt: "name" is not NAME@VERSION_ID'),
    ],
)
def test_what_is_wrong_with_an_option_is_a_message(
    tmp_path: Path,
    args: list[str],
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["orchestrator", *args])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert f"error: {said}" in capsys.readouterr().err


def test_validate_looks_into_jobs(project: Project) -> None:
    project.write(1, more='[jobs.up]\nrun = "runtime_upgrad"\n[jobs.mass]\nrun = "mass_redeploy"\nselct = ["a"]\n')
    end = run(project.root, "validate")
    assert end.code == 2
    assert re.search(
        r'deploy\.toml:\d+: jobs\.up\.run: there is no job "runtime_upgrad"; did you mean "runtime_upgrade"\?', end.err
    )
    assert 'jobs.mass.selct: job "mass" (mass_redeploy) has no parameter "selct"' in end.err


def test_validate_warns_of_exceptions_that_have_expired(project: Project) -> None:
    skip = '{ function = "old", reason = "vendor", owner = "ann", until = 2020-01-01 }'
    project.write(
        1, more=f'[jobs.up]\nrun = "runtime_upgrade"\nfrom = ["python38"]\nto = "python312"\nskip = [{skip}]\n'
    )
    end = run(project.root, "validate")
    assert end.code == 0, end.err
    assert "jobs.up: the exception for old (owner ann) expired on 2020-01-01: the job will not run" in end.out
