"""How a rollout with a bad release ends, with real Python and the installed program: what is restored, and what is
left.

The live state is compared in the cloud: every field of each function and of the version of each tag, and the real
answers of its tags.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.http.server import Sandbox
from orchestrator.sandbox.invocation.calls import Denied
from orchestrator.sandbox.memory.faults import Distribution
from tests.e2e.harness import (
    BUCKET,
    TIMEOUT_S,
    Cloud,
    Ended,
    Project,
    count_events,
    daily,
    embedded,
    ended,
    events,
    forked,
    interrupt,
    run,
    wait_for,
)
from tests.long import LONG, short_first

HANDLER = """\
import os

def handler(event, context):
    if os.environ["NAME"] in {bad!r}:
        raise RuntimeError("no such customer")
    return {{"release": {release!r}, "name": os.environ["NAME"]}}
"""
FIRST, SECOND, THIRD = "first", "second", "third"
ROLLBACK = "max_failures = 0\non_breach = 'rollback'\n"
JOB = f'[jobs.nightly]\nrun = "mass_redeploy"\nschedule = "{daily()}"\n'
BACK = " [orchestrator:back:"  # the beginning of the rollback mark of a copy
PETYA = "aje-petya"  # a colleague, with a token of that name
OF_ITSELF = ("id", "createdAt", "tags")  # of a Version: unique to it


@dataclass(frozen=True, slots=True)
class Fleet:
    """Functions of one source, in a folder of a sandbox; `verified`: those that are called before they are promoted."""

    project: Project
    cloud: Cloud
    served: Sandbox
    names: Sequence[str]
    verified: Collection[str]

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def log(self) -> Path:
        return self.root / "events.ndjson"

    @property
    def folder_id(self) -> str:
        return self.project.folder_id

    def release(self, release: str, *, bad: Sequence[str] = (), rollout: str = "", more: str = "") -> None:
        """Write a release in code, settings, tags, labels and descriptions; it raises in functions that are `bad`."""
        self.project.write(
            0,
            defaults=f'source = "src"\ntags = ["edge"]\npromote = ["stable"]\ndescription = "the {release} release"\n'
            f'function_description = "serves the {release}"\nlabels = {{ release = "{release}", "{release}" = "" }}\n',
        )
        source = self.root / "src"
        source.mkdir(exist_ok=True)
        (source / "index.py").write_text(HANDLER.format(bad=tuple(bad), release=release))
        # A busy machine needs time to start Python, which counts.
        patient = self.project.manifest.read_text().replace('timeout = "3s"', 'timeout = "30s"')
        tables = [patient, f"[rollout]\n{rollout}\n"]
        for name in self.names:
            tables.append(f'[functions.{name}]\nenvironment = {{ NAME = "{name}", RELEASE = "{release}" }}\n')
            if name in self.verified:
                tables.append(f'verify = {{ payload = {{}}, expect = {{ release = "{release}", name = "{name}" }} }}\n')
        self.project.manifest.write_text("\n".join([*tables, more]))

    def run(self, *arguments: str, root: Path | None = None) -> Ended:
        return run(root or self.root, *arguments, environ=self.cloud.environ())

    def deploy(self, *more: str) -> tuple[Ended, dict[str, Any]]:
        """Deploy unattended; return the end, and the result of each function by name."""
        end = self.run("deploy", "--yes", "-o", "json", *more)
        return end, {row["name"]: row for row in json.loads(end.out)["functions"]} if end.out else {}

    def live(self, *, called: Collection[str] | None = None) -> dict[str, Any]:
        """Return the live state: each function's own fields, and the version of each of its tags.

        `$latest` may be a copy: it is compared without its unique fields and without the mark of a rollback. Other tags
        have the very same version. `called`: functions whose `$latest` and `stable` are called, all by default.
        """
        functions, found = {one["id"]: one for one in self.cloud.functions(self.folder_id)}, dict[str, Any]()
        for function in functions.values():
            found[function["name"]] = {name: value for name, value in function.items() if name != "status"}
        for version in self.cloud.versions(self.folder_id):
            function = functions[version["functionId"]]
            for tag in version.get("tags", ()):
                seen = {name: value for name, value in version.items() if name not in OF_ITSELF}
                seen["description"] = version["description"].partition(BACK)[0]
                if tag != "$latest":
                    seen["id"] = version["id"]
                if (called is None or function["name"] in called) and tag in ("$latest", "stable"):
                    seen["answer"] = self.answer(function["id"], tag)
                found[f"{function['name']}:{tag}"] = seen
        return found

    def answer(self, function_id: str, tag: str = "$latest") -> Any:
        """Call a function."""
        request = urllib.request.Request(
            f"{self.cloud.url}/_invoke/{function_id}?integration=raw&tag={tag}",
            data=b"{}",
            method="POST",
            headers={"Authorization": f"Bearer {self.cloud.token()}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read())

    def releases(self) -> dict[str, str]:
        """Return the live release of each function, from its answer."""
        return {one["name"]: self.answer(one["id"])["release"] for one in self.cloud.functions(self.folder_id)}

    def held(self, tag: str) -> dict[str, str]:
        """Return the version ID of a tag, by the function's ID."""
        versions = self.cloud.versions(self.folder_id)
        return {one["functionId"]: one["id"] for one in versions if tag in one.get("tags", ())}

    def by_hand(self, name: str) -> str:
        """Make a version as a colleague does in a hurry; return its ID."""
        (function_id,) = (one["id"] for one in self.cloud.functions(self.folder_id) if one["name"] == name)
        body = {
            "functionId": function_id, "runtime": "python312", "entrypoint": "index.handler", "description": "hotfix",
            "resources": {"memory": 128 << 20}, "executionTimeout": "3s", "environment": {"NAME": name},
            "versionId": self.held("$latest")[function_id],
        }  # fmt: skip
        made = self.cloud.post("versions", body, token="petya")
        return str(made["metadata"]["functionVersionId"])

    def copies(self) -> list[dict[str, Any]]:
        """Return the versions that a rollback has made."""
        return [one for one in self.cloud.versions(self.folder_id) if BACK in one["description"]]

    def versions(self) -> int:
        return len(self.cloud.versions(self.folder_id))

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs in the journal, newest first."""
        found: list[dict[str, Any]] = json.loads(run(self.root, "runs", "-o", "json").out)["runs"]
        return found


@contextmanager
def fleet(project: Project, count: int, *, verified: Collection[int] = (), duration_s: float = 0.05) -> Iterator[Fleet]:
    """Deploy the first release of functions f000 …; `verified`: the numbers of those that declare it."""
    names = [f"f{number:03}" for number in range(count)]
    with embedded(
        project.root.parent / "cloud", durations=Distribution.parse(f"fixed:{duration_s}"), tokens={"petya": PETYA}
    ) as (cloud, served):
        found = Fleet(project, cloud, served, names, {names[number] for number in verified})
        found.release(FIRST)
        end, rows = found.deploy()
        assert (end.code, {row["outcome"] for row in rows.values()}) == (0, {"deployed"}), end.err
        yield found


def gate(root: Path, text: str) -> str:
    """Write the gate of a rollout, a shell script; return its key."""
    script = root / "gate.sh"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return "gate = { command = ['./gate.sh'], timeout = '30s' }\n"


@pytest.mark.parametrize(
    "called", [slice(3, 24, 4), pytest.param(slice(None), marks=LONG)], ids=["some are called", "all are called"]
)
def test_what_raises_in_a_wave_takes_all_of_them_back(project: Project, called: slice) -> None:
    with fleet(project, 60, verified=range(60)[called]) as found:
        seen = found.names[called]
        before = found.live(called=seen)
        waves = f"waves = [4, 24, '100%']\n{ROLLBACK}"
        found.release(SECOND, bad=["f019"], rollout=waves)
        end, rows = found.deploy("--events", str(found.log))
        assert end.code == 5, end.err
        assert found.live(called=seen) == before
        touched = {name for name, row in rows.items() if row["outcome"] != "cancelled"}
        assert {"f000", "f001", "f002", "f003", "f019"} <= touched <= set(found.names[:24])
        made = found.cloud.versions(found.folder_id)
        versions = Counter(one["functionId"] for one in made)
        assert {versions[rows[name]["function_id"]] for name in found.names[24:]} == {1}
        assert {tag for one in found.copies() for tag in one["tags"]} == {"$latest"}
        assert rows["f019"]["failed_step"] == "verify"
        assert "RuntimeError: no such customer" in rows["f019"]["failure"]["message"]
        (verified,) = (one for one in rows["f019"]["changes"] if one["kind"] == "verify")
        assert verified["outcome"] == "failed"
        assert json.loads(end.out)["exit_code"] == 5
        back, forth, _ = found.runs()
        assert (back["verb"], back["exit_code"], forth["exit_code"]) == ("rollback", 0, 5)
        shown = found.run("show", forth["run_id"])
        assert f"rolled back by run {back['run_id']}" in shown.out, shown.out


def of_rollback(log: Path) -> int:
    """Count the events of the run that rolls back after a breach."""
    found = events(log)
    back = (
        {event["run_id"] for event in found if event["kind"] == "run_started"} - {found[0]["run_id"]} if found else ()
    )
    return sum(event["run_id"] in back for event in found)


@contextmanager
def killed_in_its_rollback(project: Project, seed: int) -> Iterator[tuple[Fleet, dict[str, Any]]]:
    """Kill a run during its rollback, at a moment of the seed; yield what was live before."""
    rng = random.Random(seed)
    with fleet(project, 10, verified=[7]) as found:
        before = found.live()
        found.release(SECOND, bad=["f007"], rollout=f"waves = [3, 8, '100%']\n{ROLLBACK}")
        after = rng.randrange(0, 90)
        with forked(
            found.root, "deploy", "--yes", "--events", str(found.log), environ=found.cloud.environ()
        ) as process:
            wait_for(lambda: count_events(found.log, "breached") > 0, process)
            while process.poll() is None and of_rollback(found.log) < after:
                time.sleep(0.01)
            interrupt(process, signal.SIGKILL)
            ended(process)
        yield found, before


def once_each(found: Fleet) -> None:
    """Check that no version was made twice: for each function one live version, one bad one, and at most one copy."""
    made = [one["functionId"] for one in found.cloud.versions(found.folder_id)]
    copies = [one["functionId"] for one in found.copies()]
    assert len(copies) == len(set(copies))
    assert max(made.count(one) for one in made) <= 3


@pytest.mark.parametrize("seed", short_first(1, range(16)))
def test_a_rollback_killed_at_any_moment_is_gone_on_with(project: Project, seed: int) -> None:
    with killed_in_its_rollback(project, seed) as (found, before):
        if seed % 2:  # and again, somewhere in the rest of it
            log = found.root / "resumed.ndjson"
            with forked(found.root, "resume", "--yes", "--events", str(log), environ=found.cloud.environ()) as process:
                while process.poll() is None and count_events(log, "operation_accepted") < seed % 5:
                    time.sleep(0.01)
                interrupt(process, signal.SIGKILL)
                ended(process)
        end = found.run("resume", "--yes")
        assert end.code == 5, f"seed {seed}: {end.err}"
        assert found.live() == before, f"seed {seed}"
        once_each(found)


@pytest.mark.parametrize(
    ("verb", "code", "seed"),
    short_first(1, [("rollback", 0, seed) if seed % 2 else ("resume", 5, seed) for seed in range(20, 32)]),
)
def test_another_machine_goes_on_with_the_rollback_of_one_that_is_lost(
    project: Project, verb: str, code: int, seed: int
) -> None:
    with killed_in_its_rollback(project, seed) as (found, before):
        (run_id, *_) = [event["run_id"] for event in events(found.log)]
        shutil.rmtree(found.project.state_dir)
        elsewhere = found.root.parent / "elsewhere"
        found.root.rename(elsewhere)
        found.served.objects.delete(BUCKET, "leases.json")  # as if its half minute were over
        end = found.run(verb, run_id, "--yes", root=elsewhere)
        assert end.code == code, f"seed {seed}: {end.err}"
        assert found.live() == before, f"seed {seed}"
        once_each(found)


def test_two_phases_cut_off_between_them_move_the_tags_of_the_same_versions(project: Project) -> None:
    with fleet(project, 4, verified=range(4)) as found:
        held = found.held("stable")
        kills = gate(found.root, "test -e killed && exit 0\ntouch killed\nkill -9 $PPID")
        found.release(SECOND, rollout=f"two_phase = true\nmax_failures = 0\n{kills}")
        assert found.run("deploy", "--yes").code == -signal.SIGKILL
        assert (found.held("stable"), found.versions()) == (held, 8)
        made = found.held("$latest")
        end = found.run("resume", "--yes")
        assert end.code == 0, end.err
        assert (found.held("stable"), found.held("$latest"), found.versions()) == (made, made, 8)
        assert set(found.releases().values()) == {SECOND}


@LONG
def test_one_failed_verification_of_two_phases_moves_no_tag(project: Project) -> None:
    with fleet(project, 5, verified=range(5)) as found:
        before, history = found.live(), [found.cloud.tag_history(one, "stable") for one in sorted(found.held("stable"))]
        found.release(SECOND, bad=["f002"], rollout="two_phase = true\n")
        end, rows = found.deploy()
        assert end.code == 5, end.err
        assert rows["f002"]["failed_step"] == "verify"
        assert found.live() == before
        assert [found.cloud.tag_history(one, "stable") for one in sorted(found.held("stable"))] == history
        assert "two_phase" in end.err


@LONG
def test_a_gate_that_hangs_is_killed_and_is_a_breach(project: Project) -> None:
    with fleet(project, 3) as found:
        before = found.live()
        hangs = gate(found.root, "sleep 300 &\necho $! > child\nwait").replace("30s", "1s")
        found.release(SECOND, rollout=f"waves = [1, '100%']\n{ROLLBACK}{hangs}")
        end, rows = found.deploy()
        assert end.code == 5, end.err
        assert "the gate of wave 1 of 2 did not respond within 1s" in end.err
        assert [row["outcome"] for row in rows.values()].count("cancelled") == 2
        assert found.live() == before
        pid = (found.root / "child").read_text().strip()
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_gate_that_cannot_tell_pauses_until_somebody_lets_it_go_on(project: Project) -> None:
    with fleet(project, 3) as found:
        unreported = gate(found.root, 'echo "no numbers yet"\ntest -e numbers || exit 75')
        found.release(SECOND, rollout=f"waves = [1, '100%']\n{unreported}")
        end, _ = found.deploy()
        assert end.code == 3, end.err
        result = json.loads(end.out)
        assert (result["exit_code"], result["state"]) == (3, "paused")
        assert sorted(found.releases().values()) == [FIRST, FIRST, SECOND]
        refused = found.run("resume", "--yes")
        assert refused.code == 2, refused.err
        assert f"orchestrator promote {result['run_id']}" in refused.err
        assert f"orchestrator rollback {result['run_id']}" in refused.err
        (found.root / "numbers").touch()
        end = found.run("promote", "--yes")
        assert end.code == 0, end.err
        assert "no numbers yet" in end.err
        assert set(found.releases().values()) == {SECOND}


def test_who_may_not_call_pauses_and_goes_on_once_that_is_mended(project: Project) -> None:
    with fleet(project, 3, verified=range(3)) as found:
        held = found.held("stable")
        denied, us = found.served.cloud.seeds.calls.denied, str(found.served.key["service_account_id"])
        denied.add(Denied(us, "f001"))
        found.release(SECOND, rollout=f"waves = [2, '100%']\n{ROLLBACK}")
        end, rows = found.deploy()
        assert end.code == 3, end.err
        assert (rows["f001"]["outcome"], rows["f002"]["outcome"]) == ("inconclusive", "cancelled")
        assert "functions.functionInvoker" in end.err
        made = found.held("$latest")
        names = {one["id"]: one["name"] for one in found.cloud.functions(found.folder_id)}
        assert {names[key] for key, version_id in found.held("stable").items() if version_id != held[key]} == {"f000"}
        denied.clear()
        end = found.run("promote", "--yes")
        assert end.code == 0, end.err
        now = found.held("stable")
        assert now == found.held("$latest")
        assert {key for key in now if now[key] != made[key]} == {key for key in now if names[key] == "f002"}
        assert found.versions() == 6
        assert found.deploy()[0].code == 0
        assert found.versions() == 6


def test_a_hotfix_in_between_is_left_alone_and_named(project: Project) -> None:
    with fleet(project, 6, verified=[4]) as found:
        before = found.live()
        waits = gate(found.root, "touch asked\nwhile ! test -e fixed; do sleep 0.05; done")
        found.release(SECOND, bad=["f004"], rollout=f"waves = [3, '100%']\n{ROLLBACK}{waits}")
        with forked(found.root, "deploy", "--yes", "-o", "json", environ=found.cloud.environ()) as process:
            wait_for((found.root / "asked").exists, process)
            fixed = found.by_hand("f001")
            (found.root / "fixed").touch()
            end = ended(process)
        assert end.code == 1, end.err
        row = next(one for one in json.loads(end.out)["functions"] if one["name"] == "f001")
        now = found.live()
        assert found.held("$latest")[row["function_id"]] == fixed
        assert now["f001:$latest"]["description"] == "hotfix"
        others = [key for key in before if not key.startswith("f001")]
        assert {key: now[key] for key in others} == {key: before[key] for key in others}
        reported = next(one for one in json.loads(end.out)["rollback"]["functions"] if one["function"] == "f001")
        when_and_who = rf"left alone: {fixed} was deployed since at \d{{4}}-\d\d-\d\d ..:..:.. UTC by {PETYA}"
        assert re.search(when_and_who, reported["failure"]["message"])
        assert re.search(
            f"1 in part: f001: .*tag stable, labels, description back, but {when_and_who.partition(': ')[2]}",
            found.run("show", json.loads(end.out)["run_id"]).out,
        )


def test_what_was_rolled_back_is_withdrawn_until_it_changes_or_somebody_says_so(project: Project) -> None:
    with fleet(project, 4, verified=[3]) as found:
        # In one wave, a slow one might not have been started when the bad one fails, and would have nothing to undo.
        found.release(SECOND, bad=["f003"], rollout=f"waves = [3, '100%']\n{ROLLBACK}")
        assert found.deploy()[0].code == 5
        made = found.versions()
        end, rows = found.deploy()
        assert end.code == 1, end.err
        assert {row["outcome"] for row in rows.values()} == {"blocked"}
        _, back, forth, _ = (one["run_id"] for one in found.runs())
        assert f"withdrawn by rollback {back} of run {forth}: 1 of 4 failed" in rows["f000"]["reason"]
        assert found.versions() == made
        end, rows = found.deploy("--again", "f000")
        assert end.code == 1, end.err
        assert [row["outcome"] for row in rows.values()].count("deployed") == 1
        assert rows["f000"]["outcome"] == "deployed"
        found.release(THIRD, rollout=ROLLBACK)
        end, rows = found.deploy()
        assert (end.code, {row["outcome"] for row in rows.values()}) == (0, {"deployed"}), end.err
        assert found.held("stable") == found.held("$latest")
        assert set(found.releases().values()) == {THIRD}


def test_a_due_run_that_pauses_is_done_and_only_promote_goes_on(project: Project) -> None:
    with fleet(project, 3) as found:
        found.release(SECOND, rollout="waves = [1, '100%']\npause = 'approval'\n", more=JOB)
        due = ("run", "nightly", "--due", "--yes")
        assert found.run(*due).code == 0
        late = datetime.now(UTC) - timedelta(days=3)
        body = {"schema": 1, "done_until": late.isoformat(), "running": None}
        found.served.objects.put(BUCKET, f"claims/{found.folder_id}/nightly.json", json.dumps(body).encode())
        paused = found.run(*due)
        assert paused.code == 3, paused.err
        assert sorted(found.releases().values()) == [FIRST, FIRST, SECOND]
        run_id = found.runs()[0]["run_id"]
        again = found.run(*due)
        assert again.code == 0, again.err
        assert "nothing is due" in again.err
        assert f"`orchestrator promote {run_id}" in again.err
        found.served.objects.put(BUCKET, f"claims/{found.folder_id}/nightly.json", json.dumps(body).encode())
        elsewhere = ("--state", str(found.root.parent / "elsewhere"))
        for machine in ((), elsewhere):  # the next due time has come
            kept = found.run(*due, *machine)
            assert kept.code == 3, kept.err
            assert f"run {run_id} is paused: continue with `orchestrator promote {run_id}" in kept.err
        assert sorted(found.releases().values()) == [FIRST, FIRST, SECOND]
        end = found.run("promote", "--yes")
        assert end.code == 0, end.err
        assert set(found.releases().values()) == {SECOND}
        made = found.versions()
        assert "3 unchanged" in found.run(*due).out  # the due time that has waited
        assert found.versions() == made
        assert "nothing is due" in found.run(*due).err


@LONG
def test_no_due_time_goes_on_beside_a_rollback_that_was_killed(project: Project) -> None:
    with killed_in_its_rollback(project, 2) as (found, before):
        found.project.manifest.write_text(found.project.manifest.read_text() + JOB)
        late = datetime.now(UTC) - timedelta(days=3)
        body = {"schema": 1, "done_until": late.isoformat(), "running": None}
        found.served.objects.put(BUCKET, f"claims/{found.folder_id}/nightly.json", json.dumps(body).encode())
        made = found.versions()
        for _ in range(2):
            kept = found.run("run", "nightly", "--due", "--yes")
            assert kept.code == 3, kept.err
            assert "is not finished: continue it with `orchestrator resume " in kept.err
        assert found.versions() == made
        end = found.run("resume", "--yes")
        assert end.code == 5, end.err
        assert found.live() == before


@LONG
@pytest.mark.parametrize("lost", [False, True], ids=["journal kept", "machine lost"])
def test_what_a_killed_run_has_made_and_its_resume_finds_bad_goes_back(project: Project, lost: bool) -> None:
    """The version exists already when the run is resumed: it is verified, and nothing else is done for it."""
    with fleet(project, 2, verified=[1]) as found:
        before = found.live()
        found.release(SECOND, bad=["f001"], rollout=ROLLBACK)
        index = found.root / "src" / "index.py"
        index.write_text(index.read_text().replace("raise", "__import__('time').sleep(1)\n        raise"))
        with forked(
            found.root, "deploy", "--yes", "--events", str(found.log), environ=found.cloud.environ()
        ) as process:
            wait_for(lambda: any(event.get("step") == "verify" for event in events(found.log)), process)
            interrupt(process, signal.SIGKILL)
            ended(process)
        if lost:
            shutil.rmtree(found.project.state_dir)
            found.served.objects.delete(BUCKET, "leases.json")
        end = found.run("resume", "--yes")
        assert end.code == 5, end.err
        assert found.live() == before
