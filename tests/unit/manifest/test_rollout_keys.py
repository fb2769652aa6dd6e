"""The values of `verify`, `promote`, `called_by` and [rollout], and how those of several tables are merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.job.files import rollout_of
from orchestrator.model import Gate, HttpCheck, Rollout, Verify
from tests.unit.manifest.test_tables import FUNCTION, HEAD, JOB, loaded, only

NO_CONTENT = HttpCheck(expect_status=204)
PAYLOAD = 'payload = { a = [1, "x"] }'


@pytest.mark.parametrize(
    ("written", "verify"),
    [
        ("{ payload = {} }", Verify(payload={})),
        ("{ payload = false, expect = 0 }", Verify(payload=False, expect=0)),
        (f'{{ {PAYLOAD}, attempts = 10, timeout = "10m" }}', Verify({"a": [1, "x"]}, attempts=10, timeout_s=600.0)),
        ("{ http = {} }", Verify(http=HttpCheck())),
        (
            (
                '{ http = { method = "POST", headers = { A = "x" }, query = { q = "" }, body = "b",'
                " expect_status = 204, expect_body = { ok = true } }, safe = true }"
            ),
            Verify(http=HttpCheck("POST", {"A": "x"}, {"q": ""}, "b", 204, {"ok": True}), safe=True),
        ),
    ],
)
def test_a_verification(tmp_path: Path, written: str, verify: Verify) -> None:
    assert only(tmp_path, f"{FUNCTION}verify = {written}\n").verify == verify


def test_what_is_left_out_is_not_verified_and_called_by_latest(tmp_path: Path) -> None:
    spec = only(tmp_path, FUNCTION)
    assert (spec.verify, spec.promote, spec.called_by) == (None, (), "$latest")
    spec = only(tmp_path, FUNCTION + 'promote = ["b", "a"]\ncalled_by = "tag"\n')
    assert (spec.promote, spec.called_by) == (("b", "a"), "tag")


def test_variables_are_put_in_at_any_depth(tmp_path: Path) -> None:
    lines = 'verify = { http = { method = "PUT", headers = { A = "${X}" }, body = "${X}", expect_body = ["${X}"] } }\n'
    assert only(tmp_path, FUNCTION + lines, {"X": "1"}).verify == Verify(
        http=HttpCheck("PUT", {"A": "1"}, body="1", expect_body=["1"])
    )
    lines = 'verify = { payload = { a = [{ b = "${X}" }] } }\n'
    assert only(tmp_path, FUNCTION + lines, {"X": "1"}).verify == Verify(payload={"a": [{"b": "1"}]})


@pytest.mark.parametrize(
    ("defaults", "template", "own", "verify"),
    [
        # tables merge key by key
        ("payload = 1, safe = true", "attempts = 2", "timeout = 3", Verify(1, attempts=2, timeout_s=3.0, safe=True)),
        ("attempts = 9", None, "payload = 1", Verify(1, attempts=9)),
        ("", "payload = 1, expect = 2", "expect = 3", Verify(1, expect=3)),
        # another kind replaces the inherited one, and the keys about its response
        ("payload = 1, expect = 2, safe = true", "http = {}", None, Verify(http=HttpCheck(), safe=True)),
        (None, "http = {}", "payload = 1, expect = 2", Verify(1, expect=2)),
        (None, "payload = 1, expect = 2, attempts = 4", "payload = 3", Verify(3, attempts=4)),
        # http is one value
        (None, 'http = { query = { a = "x" } }', "http = { expect_status = 204 }", Verify(http=NO_CONTENT)),
    ],
)  # fmt: skip
def test_tables_of_verification_become_one(
    tmp_path: Path, defaults: str | None, template: str | None, own: str | None, verify: Verify
) -> None:
    def line(keys: str | None) -> str:
        return f"verify = {{ {keys} }}\n" if keys is not None else ""

    text = f'{HEAD}{line(defaults)}[templates.t]\n{line(template)}[functions.fun]\nversion_id = "x"\nuse = ["t"]\n'
    assert only(tmp_path, text + line(own)).verify == verify


@pytest.mark.parametrize("taken", ["verify", "verify.payload"])
def test_what_is_inherited_can_be_taken_away(tmp_path: Path, taken: str) -> None:
    text = f'{HEAD}verify = {{ payload = 1, safe = true }}\n[functions.fun]\nversion_id = "x"\nwithout = ["{taken}"]\n'
    if taken == "verify":
        assert only(tmp_path, text).verify is None
    else:
        assert only(tmp_path, text + "verify = { http = {} }\n").verify == Verify(http=HttpCheck(), safe=True)


def test_the_nearest_promote_replaces_the_others(tmp_path: Path) -> None:
    text = f'{HEAD}promote = ["a"]\n[functions.fun]\nversion_id = "x"\n'
    assert only(tmp_path, text).promote == ("a",)
    assert only(tmp_path, text + 'promote = ["b"]\n').promote == ("b",)
    assert only(tmp_path, text + "promote = []\n").promote == ()


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_command_is_that_of_the_file_which_names_it(tmp_path: Path) -> None:
    program(tmp_path / "smoke.sh")
    program(tmp_path / "team" / "own.sh")
    (tmp_path / "team" / "functions.toml").write_text(
        '[functions.aaa]\nversion_id = "x"\n[functions.bbb]\nversion_id = "x"\nverify = { command = ["./own.sh", "x"] }'
    )
    head = 'include = ["team/functions.toml"]\n' + HEAD + 'verify = { command = ["./smoke.sh"], safe = true }\n'
    functions = loaded(tmp_path, head).functions
    assert functions["aaa"].verify == Verify(command=("./smoke.sh",), folder=tmp_path, safe=True)
    assert functions["bbb"].verify == Verify(command=("./own.sh", "x"), folder=tmp_path / "team", safe=True)


def test_what_a_build_makes_may_be_the_program(tmp_path: Path) -> None:
    text = HEAD + '[functions.fun]\nsource = "."\nbuild = { command = "make" }\nverify = { command = ["./smoke"] }\n'
    assert only(tmp_path, text).verify == Verify(command=("./smoke",), folder=tmp_path)


ROLLOUT = """
[rollout]
canary = ["fun", "label:tier=canary"]
waves = [1, "10%"]
pause = "5m"
max_failures = "2%"
on_breach = "rollback"
on_inconclusive = "fail"
two_phase = true
gate = { command = ["./gate.sh", "x"], timeout = "1m" }
pin = true
verify_at_once = 8
"""


def test_a_whole_rollout(tmp_path: Path) -> None:
    program(tmp_path / "gate.sh")
    assert loaded(tmp_path, FUNCTION + ROLLOUT).rollout == Rollout(
        waves=(1, "10%"),
        pause_s=300.0,
        max_failures="2%",
        canary=("fun", "label:tier=canary"),
        on_breach="rollback",
        on_inconclusive="fail",
        two_phase=True,
        gate=Gate(("./gate.sh", "x"), tmp_path, 60.0),
        pin=True,
        verify_at_once=8,
    )


@pytest.mark.parametrize(
    ("above", "below", "said"),
    [
        ('pause = "approval"', "pause = 3", {"approval": True, "pause_s": 0.0}),
        ("pause = 3", 'pause = "approval"', {"approval": False, "pause_s": 3.0}),
        ("max_failures = 0", 'on_breach = "rollback"\nmax_failures = 9', {"max_failures": 0, "on_breach": "rollback"}),
        ('on_breach = "rollback"', "max_failures = 9", {"max_failures": 9, "on_breach": "rollback"}),
        ('on_breach = "stop"', 'on_breach = "pause"', {"on_breach": "stop"}),
        ("two_phase = false, pin = false", "two_phase = true\npin = true", {"two_phase": False, "pin": False}),
        ("canary = []", 'canary = ["x"]', {"canary": ()}),
        ('canary = ["y"]', 'canary = ["x"]', {"canary": ("y",)}),
        ("waves = [1]", "waves = [2]", {"waves": (1,)}),
        ('on_inconclusive = "pass"', "verify_at_once = 2", {"on_inconclusive": "pass", "verify_at_once": 2}),
        ("verify_at_once = 3", "verify_at_once = 2", {"verify_at_once": 3}),
        ('gate = { command = ["false"] }', 'gate = { command = ["true"], timeout = 1 }', {"gate": ("false", 300.0)}),
        ("", 'gate = { command = ["true"], timeout = 1 }', {"gate": ("true", 1.0)}),
    ],
)
def test_a_jobs_rollout_is_laid_over_key_by_key(tmp_path: Path, above: str, below: str, said: dict[str, Any]) -> None:
    manifest = loaded(tmp_path, f"[rollout]\n{below}\n{JOB}rollout = {{ {above} }}\n")
    made = rollout_of(manifest.jobs["nightly"], manifest)
    found: dict[str, Any] = {key: getattr(made, key) for key in said}
    if made.gate is not None and "gate" in said:
        assert made.gate.folder == tmp_path
        found["gate"] = (made.gate.command[0], made.gate.timeout_s)
    assert found == said


def test_the_invoke_endpoint(tmp_path: Path) -> None:
    text = FUNCTION.replace('"b1g"', '"b1g"\ninvoke_endpoint = "http://127.0.0.1:8020/"')
    assert loaded(tmp_path, text).cloud.invoke_endpoint == "http://127.0.0.1:8020"
    assert loaded(tmp_path, FUNCTION).cloud.invoke_endpoint is None


NINE = str([*"abcdefghi"]).replace("'", '"')


@pytest.mark.parametrize(
    ("keys", "warnings"),
    [
        ('tags = ["a"]\n', []),
        ('promote = ["a"]\nverify = { payload = 1 }\n', []),
        ('tags = ["a"]\nverify = { payload = 1 }\n', ["tags: they move when the version is created, before "]),
        (f"promote = {NINE}\n", []),
        (f"promote = {NINE}\nverify = {{ payload = 1 }}\n", ["verify: a function can have 10 tags: with these 9 "]),
    ],
)  # fmt: skip
def test_doubts_about_tags(tmp_path: Path, keys: str, warnings: list[str]) -> None:
    found = loaded(tmp_path, FUNCTION + keys).warnings
    assert len(found) == len(warnings)
    assert [one for one, said in zip(found, warnings, strict=True) if f": functions.fun.{said}" not in one] == []
