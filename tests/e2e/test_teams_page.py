"""docs/teams.md, executed from top to end over a copy of the repository's example."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.guides import edit
from tests.e2e.harness import ROOT, Cloud, Ended, embedded
from tests.e2e.shells import shell

PAGE = (ROOT / "docs" / "teams.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
BILLING = "b1gteambilling000000"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    root = tmp_path / "team"
    shutil.copytree(ROOT / "examples" / "team", root, ignore=shutil.ignore_patterns("__pycache__", ".orchestrator"))
    return root


@pytest.fixture
def cloud_of_teams(tmp_path: Path) -> Iterator[Cloud]:
    """Yield a cloud with the bucket of the example, and with two functions that the billing team made by hand."""
    version = {
        "runtime": "python311", "entrypoint": "index.handler", "resources": {"memory": str(128 << 20)},
        "executionTimeout": "10s", "environment": {"LEVEL": "warn"},
    }  # fmt: skip
    hand_made = [{"folder_id": BILLING, "name": f"bill-{one}", "versions": [version]} for one in ("card", "tax")]
    at_once = Distribution.parse("fixed:0")
    with embedded(tmp_path / "cloud", durations=at_once, functions=tuple(hand_made)) as (cloud, served):
        served.objects.create_bucket("team-packages")
        yield cloud


def test_the_guide_for_teams_is_carried_out(team: Path, cloud_of_teams: Cloud) -> None:
    ends: dict[str, Ended] = {}
    for language, text in BLOCKS:
        if language == "sh":
            for line in text.splitlines():
                command = line.split("  #")[0].strip()
                ends[command] = end = shell(command, team, cloud_of_teams)
                assert end.code == 0, (command, end.out, end.err)
        elif language == "diff":
            edit(team / "teams/billing/functions.toml", text)
        elif language != "text":
            place = re.match(r"# at the end of (\S+)\n", text)
            assert (language, place is not None) == ("toml", True), text
            with (team / place[1]).open("a", encoding="utf-8") as file:  # type: ignore[index]  # it is there
                file.write(text)
    for command, reported in {
        "orchestrator validate": "is valid in dev, prod: 40 functions",
        "orchestrator deploy --env dev --yes": "40 functions: 40 deployed",
        "orchestrator deploy --env prod --yes": "39 functions: 39 deployed",
        "orchestrator render api-orders --env prod": "[environments.prod.defaults]",
        "orchestrator package api-orders --env prod": "2 files",
        "orchestrator plan -c teams/billing/functions.toml": "plan: 2 unchanged",
        "orchestrator plan --env prod -l team=billing": "plan: 2 update",
        "orchestrator deploy --env prod -l team=billing --yes": "2 functions: 2 deployed",
        "orchestrator import --update --env prod --dry-run": "nothing to write",
        "orchestrator run billing-python313 --env prod --update-manifest --yes": "2 functions: 2 deployed",
        "orchestrator plan --env prod --detailed-exitcode": "plan: 41 unchanged",
        "orchestrator deploy --plan plan.json --env prod --yes --junit junit.xml": "41 functions: 41 unchanged",
    }.items():
        assert reported in ends[command].out, (command, ends[command])
    assert "nothing failed" in ends["orchestrator deploy --env prod --failed --yes"].err
    dry = ends["orchestrator run billing-python313 --env prod --update-manifest --dry-run"]
    assert '+functions.bill-tax.runtime = "python313"' in dry.err
    assert "warning: folder" not in dry.err
    live = {one["runtime"] for one in cloud_of_teams.versions(BILLING) if "$latest" in one.get("tags", ())}
    assert live == {"python313"}
    assert "`orders`" in PAGE
    shop = team / "teams/shop/functions.toml"
    named = re.search(r'`(name = "api-.*?")`', PAGE)
    assert named is not None
    shop.write_text(shop.read_text().replace('name = "api-{folder}"', named[1]).replace("s.api-orders]", "s.orders]"))
    other = shell("orchestrator render orders --env prod", team, cloud_of_teams)
    assert 'name = "api-orders-prod"' in other.out, other.err


def test_verbs_ask_for_an_environment_as_the_guide_says(team: Path, cloud_of_teams: Cloud) -> None:
    """A verb of each row of the table, over the example without its default environment."""
    file = team / "deploy.toml"
    file.write_text(file.read_text().replace("default = true\n", ""))
    rows = [re.findall(r"`([a-z -]+)`", line.split("|")[1]) for line in PAGE.splitlines() if line.startswith("| `")]
    changing, reading, of_all, of_runs = rows
    assert ("prune" in changing, reading[1], of_all[0], of_runs[0]) == (True, "render", "validate", "runs")
    unnamed = shell("orchestrator prune --yes", team, cloud_of_teams)
    assert (unnamed.code, "choose one: --env dev or --env prod" in unnamed.err) == (2, True), unnamed
    by_variable = shell("ORCHESTRATOR_ENV=prod orchestrator prune --yes", team, cloud_of_teams)
    assert by_variable.code == 2, by_variable
    assert "add --env prod; the environment variable is not enough" in by_variable.err
    update = shell("ORCHESTRATOR_ENV=prod orchestrator import --update --dry-run", team, cloud_of_teams)
    assert update.code == 0, update
    read = shell("orchestrator render health", team, cloud_of_teams)
    assert (read.code, "no environment chosen: select one with --env: dev, prod" in read.err) == (0, True), read
    for verb in ("validate", "runs"):
        every = shell(f"orchestrator {verb}", team, cloud_of_teams)
        assert (every.code, "without an environment" in every.err) == (0, False), every
