"""Nothing secret is written anywhere: not what is sent, not what a build prints, not the credentials."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jwt
import pytest

from orchestrator.errors import Code
from orchestrator.sandbox.memory.faults import Distribution, Fate, Fault, Trouble
from tests.e2e.harness import Cloud, Ended, Project, embedded, run

PASSWORD = "Tr0ub4dor&3-correct-horse"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"
SIGNED = jwt.encode({"sub": "robot"}, "x" * 64, algorithm="HS512")
VALUES = {"DB_PASSWORD": PASSWORD, "PRIVATE_KEY": PEM, "SESSION": SIGNED}
# The output of a careless build that fails.
BUILD = 'echo "password is $DB_PASSWORD"; echo "$SESSION"; echo "$YC_IAM_TOKEN" >&2; exit 1'


def deploy(project: Project, environ: dict[str, str]) -> Ended:
    """Deploy functions with the secret values; one build prints everything it knows, one fails in the cloud."""
    more = (
        f"[functions.loud]\nsource = \"src/f000\"\nbuild = {{ command = '''{BUILD}''', folder = \".\" }}\n"
        f'[functions.gone]\npackage = {{ bucket = "deploy-packages", object = "{project.folder_id}.zip" }}\n'
    )
    lines = ", ".join(f'{name} = "${{{name}}}"' for name in VALUES)
    project.write(2, defaults=f"environment = {{ {lines} }}\n", more=more)
    arguments = ("deploy", "--yes", "--events", "events.ndjson", "--log-level", "debug")
    return run(project.root, *arguments, environ=environ | VALUES)


def written(project: Project, end: Ended) -> dict[str, bytes]:
    """Return everything that the program wrote, except the sandbox's own state."""
    files = [project.root / "events.ndjson", *project.state_dir.rglob("*")]
    return {"stdout": end.out.encode(), "stderr": end.err.encode()} | {
        str(path): path.read_bytes() for path in files if path.is_file() and "sandbox" not in path.parts
    }


def lines_of(key_file: Path) -> list[str]:
    return [line for line in key_file.read_text().split("\\n") if len(line) == 64]


@pytest.mark.parametrize("fixed_token", [True, False], ids=["IAM token", "key file"])
def test_no_secret_is_written(cloud: Cloud, project: Project, fixed_token: bool) -> None:
    keys = {
        "YC_STORAGE_ACCESS_KEY": cloud.static_key["access_key"],
        "YC_STORAGE_SECRET_KEY": cloud.static_key["secret_key"],
    }
    token = cloud.token()
    credentials = {"YC_IAM_TOKEN": token} if fixed_token else {"YC_SERVICE_ACCOUNT_KEY_FILE": str(cloud.key_file)}
    end = deploy(project, {"ORCHESTRATOR_ENDPOINT": cloud.url} | credentials | keys)
    assert end.code == 1, end.err
    assert "4 functions: 2 deployed, 2 failed in " in end.out
    assert "password is [redacted]" in end.out
    private = lines_of(cloud.key_file)
    assert len(private) > 10
    secret = [PASSWORD, PEM.split("\n")[1], SIGNED, token, token.split(".")[2], keys["YC_STORAGE_SECRET_KEY"], *private]
    reported = run(project.root, "report", "--html", "report.html", "--json")
    assert "password is [redacted]" in reported.out
    reports = {"report": reported.out.encode(), "page": (project.root / "report.html").read_bytes()}
    for place, content in (written(project, end) | reports).items():
        found = [value for value in secret if value.encode() in content]
        assert found == [], place
    assert run(project.root, "show").out.endswith(f"\n\n{end.out}")


def test_a_sandbox_run_neither_needs_nor_sends_what_is_in_the_environment(project: Project) -> None:
    project.write(1)
    token = "t1.9euelZqMkJ2Qm5iXzJiVnMmUlJmQku3rnpWaxpuanp2.c2lnbmF0dXJl"
    environ = {"YC_IAM_TOKEN": token, "AWS_SECRET_ACCESS_KEY": "YCwwwwwwwwwwwwwwwwww", "AWS_ACCESS_KEY_ID": "YCAJE"}
    end = run(project.root, "deploy", "--sandbox", environ=environ)
    assert end.code == 0, end.err
    assert not [path for path in project.root.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def test_a_fixed_token_that_ends_in_mid_run_can_be_followed_by_another(tmp_path: Path, project: Project) -> None:
    project.write(24)
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.2")) as (cloud, served):
        token, _ = served.tokens.issue("ajesomebody")
        environ = {"ORCHESTRATOR_ENDPOINT": cloud.url}
        served.tokens.lifetime_s = 60.0
        calls = 0
        accepted = served.cloud.versions.create

        def create(body: object, key: str | None = None) -> dict[str, object]:
            nonlocal calls
            calls += 1
            if calls == 5:
                served.tokens.revoked.add(token)
            return accepted(body, key)

        served.cloud.versions.create = create  # type: ignore[method-assign]  # the fifth call is the token's last
        end = run(project.root, "deploy", "--yes", environ=environ | {"YC_IAM_TOKEN": token})
        assert end.code == 3, end.err
        assert "the token of YC_IAM_TOKEN has expired or is not valid" in end.err
        assert "continue with `orchestrator resume`" in end.err
        again = run(project.root, "deploy", "--yes", environ=environ | {"YC_IAM_TOKEN": cloud.token()})
        assert again.code == 0, again.err
        versions = cloud.versions(project.folder_id)
    assert len(versions) == len({version["functionId"] for version in versions}) == 24


HOSTILE = f"no\n::error::had\r\x1b[2J\x9b1m ##[group]x \u202e\u2028 {PASSWORD} in production, of api-production"
COMMANDING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]|^\s*::|##\[", re.MULTILINE)


def test_a_cloud_that_answers_hostile_text_commands_nothing_and_names_stay(tmp_path: Path, project: Project) -> None:
    project.write(2, defaults='environment = { APP_ENV = "production", DB_PASSWORD = "${DB_PASSWORD}" }\n')
    with embedded(tmp_path / "cloud", durations=Distribution.parse("fixed:0.1")) as (cloud, served):
        fault = Fault(Code.INVALID_ARGUMENT, HOSTILE)
        served.cloud.faults.settle_next("createVersion", Fate(error=fault))
        served.cloud.faults.fail_next("createVersion", Trouble(), Trouble(refusal=fault))
        environ = {"ORCHESTRATOR_ENDPOINT": cloud.url, "YC_IAM_TOKEN": cloud.token(), "DB_PASSWORD": PASSWORD}
        end = run(project.root, "deploy", "--yes", "--events", "events.ndjson", "--log-level", "debug", environ=environ)
        shown = run(project.root, "show", "--output", "json")
    assert end.code == 1, end.err
    assert shown.out.count("[redacted] in production, of api-production") == 2
    for text in (end.out, end.err, shown.out):
        assert COMMANDING.search(text) is None
        assert r"\u202e" in text
    for place, content in written(project, end).items():
        assert PASSWORD.encode() not in content, place
    lines = (project.root / "events.ndjson").read_bytes().removesuffix(b"\n").split(b"\n")
    assert all("kind" in json.loads(line) for line in lines)
