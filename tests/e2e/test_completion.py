"""Completion in a real bash: what is typed with Tab comes to the program as the words that were meant."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.harness import TIMEOUT_S, environment, run, warm
from tests.e2e.shells import FORKED

MANIFEST = """
[environments.prod]
[functions.api-login]
labels = { team = "data core" }
[functions.api-logout]
[functions.worker]
[jobs."night ly"]
run = "scheduled"
"""
PROMPT = "<ready>"
# The program that a person means. Asked by the shell it is the real one; else it writes the words that it was given.
TYPED = """#!/bin/sh
if [ -n "$_ORCHESTRATOR_COMPLETE" ]; then exec {program} "$@"; fi
printf '%s\\n' "$@" end >> {folder}/typed
"""


class Bash:
    """A bash that a person types into. Each line is typed once it has shown its prompt."""

    def __init__(self, folder: Path) -> None:
        environ = environment({"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PS1": PROMPT, "HOME": str(folder)})
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"], cwd=folder, env=environ, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def type(self, lines: Sequence[str]) -> None:
        for line in [*lines, "exit"]:
            while PROMPT not in self.shown:
                assert select.select([self._master], [], [], TIMEOUT_S)[0], self.shown
                self.shown += os.read(self._master, 65536).decode(errors="replace")
            self.shown = ""
            os.write(self._master, f"{line}\n".encode())
        assert self.process.wait(TIMEOUT_S) == 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    real = tmp_path / "bin" / "real"
    real.write_text(FORKED.format(python=sys.executable, socket=warm()))
    typed = tmp_path / "bin" / "orchestrator"
    typed.write_text(TYPED.format(program=real, folder=tmp_path))
    for script in (real, typed):
        script.chmod(0o755)
    (tmp_path / "deploy.toml").write_text(MANIFEST, "utf-8")
    (tmp_path / "script").write_text(run(tmp_path, "completion", "bash").out, "utf-8")
    return tmp_path


def test_bash_completes_words_as_they_are_meant(folder: Path) -> None:
    bash = Bash(folder)
    lines = [
        "orchestrator dep\twor\t",
        "orchestrator run n\t",
        "orchestrator run n\t-p for\tfalse",
        "orchestrator deploy --env=p\tapi-logi\t",
        "orchestrator deploy label:t\td\t'!api-logo\t",
        'orchestrator deploy -l "team=\t',
        "orchestrator plan -c dep\t-o j\t@dep\t",
        "cd /; orchestrator deploy -c $HOME/dep\two\t",
    ]
    try:
        bash.type([". ./script", *lines])
    finally:
        bash.close()
    assert (folder / "typed").read_text().split("end\n")[:-1] == [
        "deploy\nworker\n",
        "run\nnight ly\n",
        "run\nnight ly\n-p\nforce=false\n",
        "deploy\n--env=prod\napi-login\n",
        "deploy\nlabel:team=data core\n!api-logout\n",
        "deploy\n-l\nteam=data core\n",
        "plan\n-c\ndeploy.toml\n-o\njson\n@deploy.toml\n",
        f"deploy\n-c\n{folder}/deploy.toml\nworker\n",
    ]


def test_bash_of_macos_has_neither_mapfile_nor_compopt(folder: Path) -> None:
    bash = Bash(folder)
    lines = ["orchestrator dep\twor\tx", 'orchestrator deploy "wor\t', "orchestrator run n\t-p for\tfalse"]
    try:
        bash.type(["enable -n mapfile compopt", ". ./script", *lines])
    finally:
        bash.close()
    assert (folder / "typed").read_text().split("end\n")[:-1] == [
        "deploy\nworker\nx\n", "deploy\nworker\n", "run\nnight ly\n-p\nforce=false\n",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_ask_by_the_variable_that_is_answered(tmp_path: Path, shell: str) -> None:
    end = run(tmp_path, "completion", shell)
    assert (end.code, end.err) == (0, "")
    assert f"_ORCHESTRATOR_COMPLETE={shell}_complete" in end.out
