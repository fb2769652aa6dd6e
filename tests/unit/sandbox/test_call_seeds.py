"""What seed files say about calls of Functions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.errors import StartError
from orchestrator.sandbox.http.seeds import read_seeds
from orchestrator.sandbox.invocation.calls import Denied, LateRouting, Matching, Reply

_FUNCTION = {"id": "d4e1", "name": "first", "folderId": "b1g"}
_VERSION = {"id": "d4ev", "runtime": "golang123"}
SEEDS = """
[[answers]]
function = "first"
tag = "stable"
status = 503
times = 2
[[answers]]
runtime = "golang123"
body = { ok = true }
headers = { X-A = "b" }
delay_s = 0.5
[[denied]]
subject = "aje1"
function = "first"
[[late_tags]]
late_s = 3
tag = "stable"
missing = true
[[live_calls]]
calls = 4
"""


def test_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "seeds.toml").write_text(SEEDS, "utf-8")
    calls = read_seeds([tmp_path / "seeds.toml"]).seeds.calls
    taken = [calls.take("stable", _FUNCTION, _VERSION, {}) for _ in range(3)]
    assert [answer.status for answer in taken if answer] == [503, 503, 200]
    assert taken[2] is not None
    assert taken[2].reply() == Reply(200, (("Content-Type", "application/json"), ("X-A", "b")), b'{"ok":true}')
    assert taken[2].delay_s == 0.5
    assert calls.take("$latest", _FUNCTION, {**_VERSION, "runtime": "java21"}, {}) is None
    assert calls.denied == {Denied("aje1", "first")}
    assert calls.late == [LateRouting(Matching(tag="stable"), 3, missing=True)]
    assert calls.live_calls == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[answers]]\nstatus = 700", "answers, 1: status = 700 is not an HTTP status"),
        ("[[answers]]\nstatus = true", "answers, 1: status = True is not an HTTP status"),
        ("[[answers]]\ntimes = 0", "answers, 1: times = 0 is not a number of times, at least 1"),
        ("[[answers]]\nheaders = { a = 1 }", "is not a table of strings"),
        ("[[answers]]\nfunction = ''", "function = '' is not a non-empty string"),
        ("[[answers]]\ndelay = 1", 'answers, 1: unknown key "delay"'),
        ("[[late_tags]]\ntag = 'a'", "late_tags, 1: late_s is missing"),
        ("[[late_tags]]\nlate_s = 0", "late_tags, 1: late_s = 0 is not seconds, more than 0"),
        ("[[live_calls]]\ncalls = -1", "live_calls, 1: calls = -1 is not a number of calls"),
        ("[[functions]]\nfolder_id = 'b'\nname = 'f'\npublic = 1", "functions, 1: public must be true or false"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "seeds.toml").write_text(text, "utf-8")
    with pytest.raises(StartError, match=re.escape(message)):
        read_seeds([tmp_path / "seeds.toml"])
