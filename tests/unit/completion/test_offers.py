"""What each shell is answered, by click's protocol: the line in variables, the words on standard output."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from orchestrator.cli import cli
from orchestrator.completion import offers
from orchestrator.completion.shells import complete
from orchestrator.journal.events import RunStarted
from orchestrator.journal.folder import FILE
from orchestrator.journal.identity import Identity
from orchestrator.journal.store import open_store
from tests.unit.completion.test_line import BREAKS

MANIFEST = """
[environments.dev]
[environments.prod]
protected = true
[functions.api-login]
labels = { team = "web", kind = "http api" }
[functions."my fun"]
labels = { team = "data" }
[functions."a:b"]
[functions.off]
enabled = false
[functions.prod-only]
only = ["prod"]
[jobs.nightly]
run = "scheduled"
[variables]
LEVEL = "info"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "deploy.toml").write_text(MANIFEST, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Asking:
    """A shell that asks for what comes next on a line."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, shell: str, line: str) -> list[str]:
        words = line.split(" ")
        said = {
            "bash": {"COMP_LINE": line, "COMP_WORDBREAKS": BREAKS},
            "zsh": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
            "fish": {"COMP_WORDS": line, "COMP_CWORD": words[-1]},
        }[shell]
        for name, value in {"_ORCHESTRATOR_COMPLETE": f"{shell}_complete", **said}.items():
            self._monkeypatch.setenv(name, value)
        assert complete(cli) == 0
        shown = self._capsys.readouterr()
        assert shown.err == ""
        return shown.out.splitlines()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(monkeypatch, capsys)


def in_zsh(found: list[str]) -> list[tuple[str, str, str]]:
    return list(zip(found[::3], found[1::3], found[2::3], strict=True))


@pytest.mark.parametrize(
    ("line", "kind", "offered"),
    [
        ("orchestrator res", "plain", ["resume"]),
        ("orchestrator deploy ", "plain", ["api-login", "my\\ fun", "a:b"]),
        ("orchestrator deploy api-login ", "plain", ["my\\ fun", "a:b"]),
        ("orchestrator deploy --env prod pr", "plain", ["prod-only"]),
        ("orchestrator deploy --env=prod pr", "plain", ["prod-only"]),
        ("orchestrator deploy '!ap", "plain", ["!api-login"]),
        ("orchestrator render o", "plain", ["off"]),
        ("orchestrator why ", "plain", ["api-login", "my\\ fun", "a:b", "off"]),
        ("orchestrator deploy la", "part", ["label:"]),
        ("orchestrator deploy label:t", "part", ["team="]),
        ("orchestrator deploy label:team=", "plain", ["data", "web"]),
        ("orchestrator deploy -l kind=", "plain", ["http\\ api"]),
        ("orchestrator deploy --label=team=w", "plain", ["web"]),
        ("orchestrator deploy @dep", "plain", ["@deploy.toml"]),
        ("orchestrator deploy --adopt ap", "part", ["api-login@"]),
        ("orchestrator deploy --again a:b,ap", "plain", ["b,api-login"]),  # bash has the "a:" already
        ("orchestrator deploy --var ", "part", ["LEVEL="]),
        ("orchestrator deploy --env ", "plain", ["dev", "prod"]),
        ("orchestrator plan --env ", "plain", ["dev", "prod", "all"]),
        ("orchestrator run ", "plain", ["nightly"]),
        ("orchestrator why --job n", "plain", ["nightly"]),
        ("orchestrator run nightly -p fo", "part", ["folders=", "force="]),
        ("orchestrator run nightly --param=fo", "part", ["folders=", "force="]),
        ("orchestrator why off --job nightly -p fo", "part", ["folders=", "force="]),
        ("orchestrator run runtime_upgrade -p t", "part", ["to="]),
        ("orchestrator run nightly -p select=api-login,my", "plain", ["api-login,my\\ fun"]),
        ("orchestrator run nightly -p force=", "plain", []),
        ("orchestrator run -p ", "plain", []),
        ("orchestrator run nowhere -p ", "plain", []),
        ("orchestrator run ../prune -p ", "plain", []),
        ("orchestrator rollback last a:b --again ap", "plain", ["api-login"]),
        ("orchestrator prune --only versions,p", "plain", ["versions,packages"]),
        ("orchestrator plan -o ", "plain", ["text", "json", "markdown"]),
        ("orchestrator plan --output=js", "plain", ["json"]),
        ("orchestrator plan --out dep", "file", ["dep"]),
        ("orchestrator report --html ", "file", [""]),
        ("orchestrator plan --state x", "dir", ["x"]),
        ("orchestrator sandbox --creating h", "plain", ["hidden"]),
        ("orchestrator plan --verb", "plain", ["--verbose"]),
        ("orchestrator completion ", "plain", ["bash", "zsh", "fish"]),
        ("orchestrator deploy --lock-timeout ", "plain", []),
    ],
)
def test_bash_is_offered_what_fits(ask: Asking, line: str, kind: str, offered: list[str]) -> None:
    assert ask("bash", line) == [kind, *offered]


def test_zsh_and_fish_are_offered_the_same_in_their_ways(ask: Asking) -> None:
    zsh = in_zsh(ask("zsh", "orchestrator deploy "))
    assert zsh == [("plain", "api-login", "_"), ("plain", "my fun", "_"), ("plain", "a:b", "_")]
    assert in_zsh(ask("zsh", "orchestrator deploy --env=p")) == [("plain", "--env=prod", "protected")]
    assert in_zsh(ask("zsh", "orchestrator deploy label:t")) == [("part", "label:team=", "_")]
    assert in_zsh(ask("zsh", "orchestrator why of")) == [("plain", "off", "disabled")]
    assert ask("fish", "orchestrator deploy ") == ["plain", "api-login", "my fun", "a:b"]
    assert ask("fish", "orchestrator deploy --env=p") == ["plain", "--env=prod\tprotected"]
    assert ask("fish", "orchestrator plan -c de") == ["file", "de"]


def begun(run_id: str, at: float, environment: str = "", verb: str = "deploy") -> RunStarted:
    identity = Identity(environment=environment)
    return RunStarted(
        at, run_id, verb=verb, endpoint="x", units=3, program="1", schema=1, manifest="", identity=identity
    )


def begin(
    folder: Path, run_id: str, at: float, exit_code: int | None, environment: str = "", verb: str = "deploy"
) -> None:
    with open_store(folder / ".orchestrator") as store:
        store.start_run(begun(run_id, at, environment, verb))
        store._connection.execute("UPDATE runs SET exit_code = ?, ended_at = ? WHERE id = ?", (exit_code, at, run_id))


def test_runs_are_offered_newest_first_and_said(ask: Asking, folder: Path) -> None:
    begin(folder, "20260101-a", 1_000_000.0, 0)
    begin(folder, "20260102-b", 1_100_000.0, 3, "prod")
    begin(folder, "20260103-c", 1_200_000.0, None, "dev")
    begin(folder, "20260104-d", 1_300_000.0, 1, "prod")
    every = ["20260104-d", "20260103-c", "20260102-b", "20260101-a"]
    before = sorted((folder / ".orchestrator").iterdir())
    assert ask("bash", "orchestrator show ") == ["plain", "last", *every]
    assert ask("bash", "orchestrator resume 2") == ["plain", "20260103-c", "20260102-b"]
    assert ask("bash", "orchestrator show --env prod 2") == ["plain", "20260104-d", "20260102-b"]
    assert ask("bash", "orchestrator rollback 2") == ["plain", *every]
    assert ask("bash", "orchestrator rollback 20260104-d api") == ["plain", "api-login"]
    assert sorted((folder / ".orchestrator").iterdir()) == before
    (kind, run_id, words), *_ = in_zsh(ask("zsh", "orchestrator report 20260103"))
    assert (kind, run_id) == ("plain", "20260103-c")
    assert words.startswith("1970-01-1")
    assert words.endswith("deploy, 3 functions, no end yet")


def test_a_run_in_progress_is_offered(ask: Asking, folder: Path) -> None:
    begin(folder, "20260101-a", 1_000_000.0, 0)
    with open_store(folder / ".orchestrator") as store:
        store.start_run(begun("20260102-b", 2_000_000.0))
        assert list((folder / ".orchestrator").glob("*-wal"))
        assert ask("bash", "orchestrator resume 2") == ["plain", "20260102-b"]


def test_parameters_of_a_run_to_continue_are_those_of_its_job(ask: Asking, folder: Path) -> None:
    begin(folder, "20260101-a", 1_000_000.0, None, verb="run nightly")
    begin(folder, "20260102-b", 1_100_000.0, None)
    assert ask("bash", "orchestrator resume 20260101 -p fo") == ["part", "folders=", "force="]
    assert ask("bash", "orchestrator resume -p fo") == ["plain"]
    assert ask("zsh", "orchestrator resume 20260101 -p forc") == [
        "part", "force=", "make new versions of unchanged functions too",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_of_a_journal_that_is_none_no_run_is_offered(ask: Asking, folder: Path, content: bytes | None) -> None:
    (folder / ".orchestrator").mkdir()
    if content is not None:
        (folder / ".orchestrator" / FILE).write_bytes(content)
    assert ask("bash", "orchestrator show ") == ["plain", "last"]
    assert not list((folder / ".orchestrator").glob("*-shm"))


def test_of_a_broken_manifest_nothing_is_offered_or_printed(ask: Asking, folder: Path) -> None:
    (folder / "deploy.toml").write_text("[functions.a\n", "utf-8")
    for line in ("deploy ", "run ", "deploy --env ", "deploy -l "):
        assert ask("bash", f"orchestrator {line}") == ["plain"]
    assert ask("bash", "orchestrator deploy -c nowhere.toml ") == ["plain"]


def test_a_name_that_commands_a_terminal_is_not_offered(ask: Asking, folder: Path) -> None:
    (folder / "deploy.toml").write_text('[functions."a\\u001b[2Jb"]\n[functions.c]\n', "utf-8")
    assert ask("bash", "orchestrator deploy ") == ["plain", "c"]


def test_what_goes_wrong_within_is_silent(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ENV", "")  # a usage error of every verb that takes --env
    assert ask("bash", "orchestrator deploy ") == []
    assert ask("zsh", "orchestrator deploy ") == []


@pytest.mark.parametrize(("asked", "first"), [("zsh_source", "#compdef orchestrator"), ("tcsh_source", ""), ("x", "")])
def test_clicks_own_way_to_a_script_gives_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: str, first: str
) -> None:
    monkeypatch.setenv("_ORCHESTRATOR_COMPLETE", asked)
    assert complete(cli) == 0
    assert capsys.readouterr().out.partition("\n")[0] == first


def test_each_value_is_offered_or_known_to_be_free() -> None:
    """A new option has a choice, is a path, has an offer, or is in `FREE`."""
    lost = set[str]()
    used = set[str]()
    for verb, command in cli.commands.items():
        for one in command.params:
            name = str(one.name)
            used.add(name)
            offered = name in offers.OFFERS or (verb, name) in offers.OF_VERBS
            assert not (offered and name in offers.FREE)
            if not (isinstance(one.type, click.Choice | click.Path) or getattr(one, "is_flag", False) or offered):
                lost |= {name} - offers.FREE
    assert lost == set()
    assert used >= offers.FREE | set(offers.OFFERS)
