"""A public function: opened, closed and rolled back, with the installed program over HTTP."""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
import urllib.request
from typing import Any

from tests.e2e.harness import Cloud, Project, run


def live(cloud: Cloud, project: Project, name: str = "f001") -> dict[str, Any]:
    return next(one for one in cloud.functions(project.folder_id) if one["name"] == name)


def status(function: dict[str, Any]) -> int:
    """Return the status of a call without authentication: 401 or another one."""
    request = urllib.request.Request(f"{function['httpInvokeUrl']}?integration=raw", b"{}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def plan(cloud: Cloud, project: Project) -> dict[str, Any]:
    end = run(project.root, "plan", "-o", "json", environ=cloud.environ())
    units: list[dict[str, Any]] = json.loads(end.out)["units"]
    return next(one for one in units if one["function"] == "f001")


def by_hand(cloud: Cloud, function: str, action: str) -> None:
    binding = {"roleId": "serverless.functions.invoker", "subject": {"id": "allUsers", "type": "system"}}
    deltas = {"accessBindingDeltas": [{"action": action, "accessBinding": binding}]}
    cloud.post(f"functions/{function}:updateAccessBindings", deltas, token=cloud.token())


def test_opened_closed_and_taken_back(cloud: Cloud, project: Project) -> None:
    project.write(2, more="public = true\n")
    end = run(project.root, "deploy", "--yes", environ=cloud.environ())
    assert end.code == 0, end.err
    assert "warning: f001: anyone may invoke it, without authentication, once this is done" in end.err
    function = live(cloud, project)
    assert (status(function), status(live(cloud, project, "f000"))) == (200, 401)

    # What our own run has opened is closed without a prompt, on another machine too, by the bucket's records; a
    # rollback keeps it closed.
    shutil.rmtree(project.state_dir)
    project.write(2, more="public = false\n")
    assert plan(cloud, project)["reason"] == "public: yes → no"
    closing = run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())
    assert (closing.code, status(function)) == (0, 401)
    run_id = json.loads(closing.out)["run_id"]
    back = run(project.root, "rollback", run_id, "--yes", environ=cloud.environ())
    line = f"orchestrator rollback {run_id} f001 --wider f001 --endpoint {cloud.url}"
    assert (back.code, status(function), f"`{line}`" in back.out) == (1, 401, True), back.out
    typed = run(project.root, *line.split()[1:], "--yes", environ=cloud.environ())
    assert (typed.code, status(function)) == (0, 200), typed.err
    assert plan(cloud, project)["reason"] == "public: yes → no"  # by the journal: that rollback opened it
    refused = run(project.root, "rollback", run_id, "--wider", "f0010", "--yes", environ=cloud.environ())
    assert (refused.code, "--wider f0010: there is no function" in refused.err) == (2, True)

    # What was opened by hand is not closed silently.
    by_hand(cloud, function["id"], "REMOVE")
    project.write(2, more="public = false\n")
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    by_hand(cloud, function["id"], "ADD")
    unit = plan(cloud, project)
    assert (unit["action"], "opens" in unit) == ("blocked", False)
    adopt = re.search(r"--adopt (\S+)", unit["advice"])
    assert adopt is not None
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 1
    assert run(project.root, "deploy", "--yes", "--adopt", adopt[1], environ=cloud.environ()).code == 0
    assert status(function) == 401
    project.write(2, more="public = true\n")
    assert plan(cloud, project)["opens"] is True


def test_a_breach_takes_back_the_rest_and_leaves_access_to_a_person(cloud: Cloud, project: Project) -> None:
    """The code of each function is restored, and both stay closed, with the command for each that opens it again."""
    more = '[rollout]\nwaves = [1, 2]\nmax_failures = 0\non_breach = "rollback"\n'
    verified = "verify = { payload = {}, safe = true }\npublic = "
    project.write(2, more=more, defaults=f"{verified}true\n")
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    project.write(2, more=more, defaults=f'{verified}false\ndescription = "new"\n')
    handler = project.root / "src" / "f001" / "index.py"
    handler.write_text("def handler(event, context):\n    raise ValueError\n")
    end = run(project.root, "deploy", "--yes", "-o", "json", environ=cloud.environ())
    run_id = json.loads(end.out)["run_id"]
    assert end.code == 1, end.err  # not 5: something of it is not restored
    shown = run(project.root, "show", run_id, environ=cloud.environ()).out
    said = "version back, but access stays as it is: the function was public before"
    assert re.search(r"rolled back in part by run \S+: 2 functions: f000: tag orc-b, " + said, shown), shown
    assert re.search(r"f001 +failed +\S+ +failed +in part", shown), shown
    assert "all the same" not in shown
    result = json.loads(end.out)
    assert "rolled back since" in result["functions"][1]["failure"]["advice"]
    assert [one["back_in_part"] for one in result["rollback"]["functions"]] == [["tag orc-b", "version"]] * 2
    functions = [live(cloud, project, name) for name in ("f000", "f001")]
    served = {one["functionId"]: one for one in cloud.versions(project.folder_id) if "$latest" in one.get("tags", ())}
    for function in functions:
        assert not served[function["id"]]["description"].startswith("new")
        assert status(function) == 401
        name = function["name"]
        line = f"orchestrator rollback {run_id} {name} --wider {name} --endpoint {cloud.url}"
        assert f"`{line}`" in end.err
        typed = run(project.root, *line.split()[1:], "--yes", environ=cloud.environ())
        assert (typed.code, status(function)) == (0, 200), typed.err
    resumed = run(project.root, "resume", run_id, "--yes", environ=cloud.environ())
    assert (resumed.code, [status(one) for one in functions]) == (1, [200, 200])  # a breach is final
    assert "starts a new run with all waves" in resumed.err
