"""Commands of users on this machine: real processes, which end with their call."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from orchestrator.commands.local import CREDENTIALS, OUTPUT_KEPT_BYTES, LocalCommands
from orchestrator.ports import CommandEnd, CommandRequest
from tests.idle_time import let_pass
from tests.unit.package.test_build import alive, read_pids, until

pytestmark = pytest.mark.anyio


async def ended(folder: Path, script: str, *, timeout_s: float = 60.0, stdin: bytes = b"", **facts: str) -> CommandEnd:
    path = folder / "smoke.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    commands = LocalCommands({**os.environ, **dict.fromkeys(CREDENTIALS, "t1.secret"), "MINE": "kept"})
    return await commands.run(CommandRequest(("./smoke.sh", "a b"), folder, facts, stdin, timeout_s))


async def test_it_runs_in_its_folder_with_the_facts_and_without_credentials(tmp_path: Path) -> None:
    end = await ended(tmp_path, 'ls smoke.sh; echo "$1 $FACT $MINE"; env | grep -c secret', FACT="f")
    assert (end.status, end.output.splitlines()) == (1, ["smoke.sh", "a b f kept", "0"])


@pytest.mark.parametrize("status", [0, 1, 75])
async def test_its_exit_status_is_reported(tmp_path: Path, status: int) -> None:
    assert (await ended(tmp_path, f"exit {status}")).status == status


async def test_it_reads_what_it_is_given_and_nothing_otherwise(tmp_path: Path) -> None:
    text = b'{"wave": 1}' * 50_000  # more than a pipe holds
    assert (await ended(tmp_path, "wc -c", stdin=text)).output.strip() == str(len(text))
    assert (await ended(tmp_path, "wc -c")).output.strip() == "0"


async def test_of_much_output_the_end_is_kept_and_nothing_that_commands_a_terminal(tmp_path: Path) -> None:
    end = await ended(tmp_path, "yes | head -c 300000; printf '\\033[31mred\\033[0m\\n'")
    assert end.output.endswith("y\nred")
    assert len(end.output) < OUTPUT_KEPT_BYTES


_SPAWNS = "sleep 1000 & echo $! > pids; (trap '' TERM; sleep 1000) & echo $! >> pids; echo $$ >> pids; wait"


async def test_at_its_limit_it_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    async def late() -> None:
        with anyio.fail_after(60):
            await until(lambda: bool(read_pids(tmp_path / "pids", 3)))
        let_pass(1000)

    async with anyio.create_task_group() as group:
        group.start_soon(late)
        end = await ended(tmp_path, _SPAWNS, timeout_s=1000.0)
    assert end.status is None
    pids = read_pids(tmp_path / "pids", 3)
    with anyio.fail_after(60):
        await until(lambda: not any(map(alive, pids)))


async def test_a_run_that_is_cancelled_ends_it(tmp_path: Path) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(ended, tmp_path, _SPAWNS)
        with anyio.fail_after(60):
            await until(lambda: bool(read_pids(tmp_path / "pids", 3)))
        pids = read_pids(tmp_path / "pids", 3)
        group.cancel_scope.cancel()
    with anyio.fail_after(60):
        await until(lambda: not any(map(alive, pids)))


_KILLED = """
import sys, anyio
from pathlib import Path
from orchestrator.commands.local import LocalCommands
from orchestrator.ports import CommandRequest

request = CommandRequest(("/bin/sh", "-c", sys.argv[2]), Path(sys.argv[1]), {}, b"given", 1000.0)
anyio.run(LocalCommands({"PATH": "/usr/bin:/bin"}).run, request)
"""


async def test_it_does_not_outlive_us_where_we_are_killed(tmp_path: Path) -> None:
    async with await anyio.open_process([sys.executable, "-c", _KILLED, str(tmp_path), _SPAWNS]) as ours:
        with anyio.fail_after(60):
            await until(lambda: bool(read_pids(tmp_path / "pids", 3)))
        pids = read_pids(tmp_path / "pids", 3)
        ours.kill()
        with anyio.fail_after(60):
            await until(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize(
    ("command", "folder", "status", "says"),
    [
        (("./none.sh",), ".", 127, "not found"),
        (("./plain",), ".", 126, "denied"),
        (("true",), "gone", 127, "No such file or directory"),
        (("a\0b",), ".", 127, "cannot start"),
    ],
)
async def test_what_cannot_start_says_why(
    tmp_path: Path, command: tuple[str, ...], folder: str, status: int, says: str
) -> None:
    (tmp_path / "plain").write_text("no program")
    end = await LocalCommands(os.environ).run(CommandRequest(command, tmp_path / folder, {}))
    assert end.status == status
    assert says in end.output
