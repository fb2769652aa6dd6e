"""[notify.*]: who is notified of what, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.load import load_for_run
from orchestrator.model import Notify
from tests.unit.manifest.test_tables import JOB, loaded, mistakes

URL = 'url = "https://x.example/hook"'


def table(text: str, head: str = "") -> str:
    return f"{head}[notify.ops]\n{text}\n{JOB}"


def test_all_keys_of_an_address(tmp_path: Path) -> None:
    text = table(
        'on = ["failed", "done"]\nurl = "https://x.example/b"\nformat = "telegram"\nchat_id = "-1"\nsecret = "k"\n'
        'link = "https://ci/{run}"\ntimeout = "5s"'
    )
    (hook,) = loaded(tmp_path, text).notify
    assert hook == Notify(
        "ops", ("failed", "done"), "https://x.example/b", format="telegram", chat_id="-1", secret="k",
        link="https://ci/{run}", timeout_s=5.0, folder=tmp_path,
    )  # fmt: skip


def test_a_command_and_an_address_that_is_empty(tmp_path: Path) -> None:
    (hook,) = loaded(tmp_path, table('on = ["failed"]\ncommand = ["true", "x"]')).notify
    assert (hook.command, hook.is_off) == (("true", "x"), False)
    (off,) = loaded(tmp_path, table('on = ["failed"]\nurl = "${HOOK:-}"')).notify
    assert off.is_off


@pytest.mark.parametrize(
    ("text", "key", "rule"),
    [
        (f'on = ["faild"]\n{URL}', "notify.ops.on[0]", 'did you mean "failed"?'),
        (f"on = []\n{URL}", "notify.ops.on", "must not be empty"),
        (URL, "notify.ops.on", "is required"),
        (f'on = ["done", "done"]\n{URL}', "notify.ops.on[1]", "is listed twice"),
        ('on = ["done"]', "notify.ops", "needs a url, or a command"),
        (f'on = ["done"]\n{URL}\ncommand = ["true"]', "notify.ops.command", "set only one of url and command"),
        ('on = ["done"]\nurl = "ftp://x"', "notify.ops.url", "begins with https:// or http://"),
        ('on = ["done"]\nurl = "https://x/a b"', "notify.ops.url", "must not contain spaces"),
        ('on = ["done"]\nurl = "https://[::1/x"', "notify.ops.url", "is not a valid address"),
        ('on = ["done"]\nurl = "https://x:99999/"', "notify.ops.url", "is not a valid address"),
        ('on = ["done"]\nurl = "https:///x"', "notify.ops.url", "is not a valid address"),
        ('on = ["done"]\nurl = "https://пример.рф/"', "notify.ops.url", "must be ASCII"),
        ('on = ["done"]\ncommand = ["./no.sh"]', "notify.ops.command", "no.sh"),
        ('on = ["done"]\ncommand = ["true"]\nsecret = "k"', "notify.ops.secret", "is only allowed with url"),
        (f'on = ["done"]\n{URL}\nformat = "xml"', "notify.ops.format", "must be one of json, telegram, slack"),
        (f'on = ["done"]\n{URL}\nformat = "telegram"', "notify.ops.format", "needs chat_id"),
        (f'on = ["done"]\n{URL}\nchat_id = "1"', "notify.ops.chat_id", 'is only allowed with format = "telegram"'),
        (f'on = ["done"]\n{URL}\nsecret = ""', "notify.ops.secret", "must not be empty"),
        (f'on = ["done"]\n{URL}\nonly = ["prod"]', "notify.ops.only[0]", '"prod" is not an environment'),
        (f'on = ["done"]\n{URL}\nlink = "x"', "notify.ops.link", "must be a URL"),
        (f'on = ["done"]\n{URL}\ntimeout = "1m"', "notify.ops.timeout", "at most"),
        (f'on = ["done"]\n{URL}\nurls = "x"', "notify.ops.urls", 'did you mean "url"?'),
        ('on = ["done"]\nurl = "${HOOK}"', "notify.ops.url", "the variable HOOK is not set"),
    ],
)
def test_a_mistake_has_its_line_and_its_rule(tmp_path: Path, text: str, key: str, rule: str) -> None:
    (found,) = mistakes(tmp_path, table(text))
    assert found.key == key
    assert rule in found.rule
    assert found.line >= 1


def test_a_variable_that_is_not_set_stops_no_run(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(table('on = ["done"]\nurl = "${HOOK}"\nsecret = "${KEY}"'))
    (hook,) = load_for_run(tmp_path / "deploy.toml", {}).notify
    assert hook.unset.endswith("deploy.toml:3: a variable of its url, secret is not set")


def test_only_says_of_which_environments_it_is_reported(tmp_path: Path) -> None:
    head = "[environments.prod]\n[environments.dev]\n"
    text = table(f'on = ["done"]\n{URL}\nonly = ["prod"]', head)
    (tmp_path / "deploy.toml").write_text(text)
    found = {
        name: load_for_run(tmp_path / "deploy.toml", {}, choice=ManifestChoice(name)).notify
        for name in ("prod", "dev", "")
    }
    assert {name: len(hooks) for name, hooks in found.items()} == {"prod": 1, "dev": 0, "": 0}


def test_what_is_reported_in_clear_is_a_warning(tmp_path: Path) -> None:
    said = loaded(tmp_path, table('on = ["done"]\nurl = "http://x.example/h"')).warnings
    assert [one.partition("url: ")[2] for one in said] == ["is not https: notifications are sent unencrypted"]
    assert loaded(tmp_path, table('on = ["done"]\nurl = "http://127.0.0.1:80/h"')).warnings == ()
