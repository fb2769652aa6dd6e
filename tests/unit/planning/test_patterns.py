"""Selections have one grammar, on the command line and in jobs: both pass the same table."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.job import mass
from orchestrator.job.binding import bind
from orchestrator.model import CloudAddress, FunctionSpec, Limits, Manifest, Rollout, Storage
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.selection import choose, expanded, select
from tests.builders import function, spec, version
from tests.unit.manifest.test_tables import FUNCTION, loaded

FUNCTIONS: dict[str, FunctionSpec] = {
    "auth-login": spec("auth-login", labels={"team": "auth"}),
    "auth-logout": spec("auth-logout", labels={"team": "auth", "ring": "1"}),
    "web": spec("web", labels={"team": "web"}),
    "off": spec("off", enabled=False, labels={"team": "web"}),
}
MANIFEST = Manifest(Path("deploy.toml"), CloudAddress(folder_id="b1g"), Storage(), Limits(), Rollout(), FUNCTIONS, {})
LIVE: LiveState = indexed(
    [replace(function(key), labels=one.labels) for key, one in FUNCTIONS.items()],
    [version(f"v-{key}", f"id-{key}", runtime="python312", entrypoint="a.b") for key in FUNCTIONS],
    clouds={},
)
PATTERNS = [
    ("auth-login", "auth-login"),
    ("auth-*", "auth-login auth-logout"),
    ("*", "auth-login auth-logout web"),
    ("label:team=auth", "auth-login auth-logout"),
    ("label:team=web", "web"),
    ("web auth-login", "auth-login web"),
    ("web label:ring=1", "auth-logout web"),
    ("!web", "auth-login auth-logout"),
    ("!auth-*", "web"),
    ("!label:team=auth", "web"),
    ("auth-* !auth-login", "auth-logout"),
    ("!auth-login auth-*", "auth-logout"),
    ("* !label:ring=1", "auth-login web"),
    ("!off", "auth-login auth-logout web"),
    ("!web !auth-login", "auth-logout"),
]


@pytest.mark.parametrize(("patterns", "expected"), PATTERNS)
def test_patterns_mean_the_same_everywhere(patterns: str, expected: str) -> None:
    assert list(select(MANIFEST, patterns.split())) == expected.split()
    for parameter in ("select", "functions"):
        given = {name: value.default for name, value in mass.PARAMETERS.items()}
        given |= {parameter: tuple(patterns.split()), "rollout": Rollout(), "folders": ("folder",)}
        assert sorted(mass.desired(MANIFEST, LIVE, given).specs) == expected.split()


WRONG = [
    ("wbe", 'matches "wbe"', 'did you mean "web"?'),
    ("!wbe", 'matches "!wbe"', 'did you mean "web"?'),
    ("web wbe auth-logn", 'matches "wbe", "auth-logn"', 'did you mean "web"?'),
    ("label:team=none", 'matches "label:team=none"', " has auth-login, auth-logout, web"),
    ("!zz*", 'matches "!zz*"', " has auth-login"),
    ("label:team", '"team" is not a label', "label:key=value"),
    ("off", '"off" is disabled', "remove `enabled = false` at deploy.toml:1"),
]


@pytest.mark.parametrize(("patterns", "message", "advice"), WRONG)
def test_what_is_wrong_in_a_selection_is_reported_alike(patterns: str, message: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(MANIFEST, patterns.split())
    assert message in caught.value.message
    assert advice in caught.value.advice


def test_everything_left_out_is_no_selection() -> None:
    with pytest.raises(UsageError, match="no function is selected"):
        select(MANIFEST, ["web", "!web"])


def test_labels_that_cannot_be_reported_are_had_but_leave_nothing_out() -> None:
    functions = {**FUNCTIONS, "web": replace(FUNCTIONS["web"], labels={}, unstated=frozenset({"labels"}))}
    assert "web" in choose(functions, ["label:team=auth"], of="it")
    assert "web" in choose(functions, ["!label:team=auth"], of="it")


def test_what_a_job_has_not_to_do_may_be_left_out_and_not_asked_for() -> None:
    left = {"web": FUNCTIONS["web"]}
    assert list(choose(left, ["!auth-login"], of="the job", known=FUNCTIONS)) == ["web"]
    with pytest.raises(UsageError):
        choose(left, ["auth-login"], of="the job", known=FUNCTIONS)
    with pytest.raises(UsageError):
        choose(left, ["!auth-logn"], of="the job", known=FUNCTIONS)


def test_files_of_patterns(tmp_path: Path) -> None:
    text = "\ufeff# all\r\nauth-*  # these\r\n\r\n!auth-login\r\nlabel:team=web\r\n"
    (tmp_path / "names.txt").write_bytes(text.encode())
    patterns = expanded(["@names.txt"], tmp_path)
    assert patterns == ("auth-*", "!auth-login", "label:team=web")
    assert list(select(MANIFEST, patterns)) == ["auth-logout", "web"]
    (tmp_path / "out.txt").write_text("web\nauth-login\n")
    assert list(select(MANIFEST, expanded(["!@out.txt"], tmp_path))) == ["auth-logout"]


def test_standard_input_may_begin_with_a_byte_order_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeffweb\n"))
    assert expanded(["@-"]) == ("web",)
    assert expanded(["@-"]) == ("web",)  # a plan that is made again reads the list again


def test_every_name_that_is_lost_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("web\nwbe\n\n!nope\n")
    with pytest.raises(UsageError) as caught:
        select(MANIFEST, expanded(["@names.txt"], tmp_path))
    assert caught.value.message == 'no function matches "wbe" (names.txt:2), "!nope" (names.txt:4)'


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"", "is empty"), (b"# only\n", "is empty"), (b"\xff\xfew\x00", "it is not UTF-8 text")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(UsageError, match="the list of functions names") as caught:
        expanded(["@names.txt"], tmp_path)
    assert why in caught.value.message


def test_a_file_of_a_job_lies_beside_the_manifest_and_one_that_is_typed_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, here = tmp_path / "project", tmp_path / "here"
    for folder in (project, here):
        folder.mkdir()
        (folder / "names.txt").write_text(f"{folder.name}\n")
    monkeypatch.chdir(here)
    manifest = loaded(project, f'{FUNCTION}[jobs.x]\nrun = "mass_redeploy"\nselect = ["@names.txt"]\n')
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert bind(manifest, "x", {}, now).given["select"] == ("project",)
    assert bind(manifest, "x", {"select": "@names.txt"}, now).given["select"] == ("here",)
    (project / "names.txt").unlink()
    with pytest.raises(UsageError, match=r"deploy.toml:10: jobs.x.select: the list of functions names.txt cannot"):
        bind(manifest, "x", {}, now)
