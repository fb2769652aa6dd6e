"""The output during a run, on a terminal and elsewhere."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.harness import Cloud, Project, run, terminal

COLOUR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
CURSOR = re.compile(r"\x1b\[\d*[A-DHJK]")
PROGRESS = re.compile(r"\d/4 \(\d+ %\); .*being created.*about .* left")


def test_a_terminal_shows_a_live_region(cloud: Cloud, project: Project) -> None:
    project.write(4)
    with terminal(project.root, "deploy", "--yes", environ=cloud.environ(project.folder_id)) as screen:
        end = screen.end()
    assert end.code == 0, end.out
    assert PROGRESS.search(end.out)
    assert CURSOR.search(end.out)
    assert "run started" not in end.out
    assert "4 functions: 4 deployed in " in end.out


def test_no_color_is_heeded(cloud: Cloud, project: Project) -> None:
    project.write(4)
    environ = cloud.environ() | {"NO_COLOR": "1"}
    with terminal(project.root, "deploy", "--yes", "--log-level", "info", environ=environ) as screen:
        end = screen.end()
    assert end.code == 0, end.out
    assert "run started" in end.out
    assert COLOUR.search(end.out) is None


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"TERM": "dumb"}])
def test_no_live_region_in_ci_or_on_a_dumb_terminal(cloud: Cloud, project: Project, environ: dict[str, str]) -> None:
    project.write(4)
    with terminal(project.root, "deploy", "--yes", environ=cloud.environ() | environ) as screen:
        end = screen.end()
    assert end.code == 0, end.out
    assert CURSOR.search(end.out) is None
    assert end.out.count("deployed") > 4
    assert "run started" in end.out


def test_elsewhere_lines_are_plain(cloud: Cloud, project: Project) -> None:
    project.write(4)
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err
    assert "\x1b" not in end.out + end.err
    assert "run started" in end.err
    assert "deployed" not in end.err, "the table on stdout tells what became of each function"
    assert "queue" not in end.out
    end = run(project.root, "deploy", "--yes", "--force", "--timings", "--log-level", "info", environ=cloud.environ())
    assert "queue" in end.out
    assert len(re.findall(r"\[info +\] deployed +function=f00\d run_id=\S+ version_id=", end.err)) == 4


@pytest.mark.parametrize("level", ["info", "debug"])
def test_json_logs_are_all_there_is_on_stderr(cloud: Cloud, project: Project, level: str) -> None:
    project.write(4)
    end = run(project.root, "deploy", "--yes", "--log-format", "json", "--log-level", level, environ=cloud.environ())
    assert end.code == 0, end.err
    lines = [json.loads(line) for line in end.err.splitlines()]
    assert {"level", "event", "timestamp"} <= set.intersection(*(set(line) for line in lines))
    deployed = [line for line in lines if line["event"] == "deployed"]
    assert {line["function"] for line in deployed} == {"f000", "f001", "f002", "f003"}
    assert len({line["run_id"] for line in deployed}) == 1
    assert {"create": 4}.items() <= next(line for line in lines if line["event"] == "plan").items()


def test_an_error_is_a_json_log_too(project: Project) -> None:
    project.write(1, more='[functions.bad-one]\nsource = "."\nmemry = 1\n')
    end = run(project.root, "deploy", "--yes", "--log-format", "json")
    assert end.code == 2
    lines = [json.loads(line) for line in end.err.splitlines()]
    assert {line["level"] for line in lines} == {"error"}
    assert lines[0]["key"] == "functions.bad-one.memry"
    assert lines[-1]["event"].endswith("in the manifest")
    assert lines[-1]["exit_code"] == 2


def test_output_json_is_one_document(cloud: Cloud, project: Project) -> None:
    project.write(2)
    end = run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())
    reported, shown = json.loads(end.out), json.loads(run(project.root, "show", "-o", "json").out)
    for function in reported["functions"] + shown["functions"]:
        del function["started_at"]  # the journal stores the duration of a step, not its start
    assert reported == shown


def test_every_json_output_says_its_schema(cloud: Cloud, project: Project) -> None:
    project.write(1, more='[jobs.all]\nrun = "mass_redeploy"\n')
    for kind, *arguments in (
        ("findings", "validate"),
        ("jobs", "jobs"),
        ("runs", "runs"),
        ("plan", "plan"),
        ("plan", "deploy", "--dry-run"),
        ("plan", "run", "all", "--dry-run"),
        ("result", "deploy", "--yes"),
        ("result", "run", "all", "--yes"),
        ("board", "run", "all", "--status"),
        ("result", "show"),
        ("runs", "runs"),
    ):
        end = run(project.root, *arguments, "-o", "json", environ=cloud.environ())
        assert end.code == 0, end.err
        assert json.loads(end.out)["schema"] == f"orchestrator/{kind}/1", arguments
