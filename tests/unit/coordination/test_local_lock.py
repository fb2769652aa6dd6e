from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from orchestrator.coordination import local_lock
from orchestrator.coordination.local_lock import FILE, OWNER, described, lock, owner_of
from orchestrator.errors import Exit, JournalError, LockHeldError

HOLDER = """
import sys
import anyio
from pathlib import Path
from orchestrator.coordination.local_lock import lock, described

async def main():
    async with lock(Path(sys.argv[1]), verb="run nightly"):
        print("held", flush=True)
        await anyio.sleep(60)

anyio.run(main)
"""


def test_a_second_run_is_reported_who_holds_the_lock_and_since_when(tmp_path: Path) -> None:
    async def main() -> str:
        async with lock(tmp_path, verb="run nightly"):
            with pytest.raises(LockHeldError) as caught:
                async with lock(tmp_path):
                    pass
        assert caught.value.exit == Exit.LOCKED
        assert "--lock-timeout" in caught.value.advice
        return caught.value.message

    message = anyio.run(main)
    assert f"`orchestrator run nightly` of {getpass.getuser()}" in message
    assert f"process {os.getpid()} on {socket.gethostname()}, since 20" in message


def test_what_was_typed_is_in_no_lock_and_in_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["orchestrator", "run", "nightly", "--param", "password=hunter2"])

    async def main() -> bytes:
        async with lock(tmp_path, verb="run nightly"):
            return (tmp_path / FILE).read_bytes()

    assert b"hunter2" not in anyio.run(main)
    assert described("run nightly").startswith("`orchestrator run nightly` of ")
    assert "hunter2" not in described("run nightly")


def test_a_lock_of_a_former_program_is_understood(tmp_path: Path) -> None:
    async def main() -> None:
        async with lock(tmp_path):
            (tmp_path / FILE).write_bytes(b'{"pid":7,"host":"ci","since":1795000000.0,"command":"orchestrator deploy"}')
            with pytest.raises(LockHeldError, match="`orchestrator deploy`, process 7 on ci, since 2026-11-18"):
                async with lock(tmp_path):
                    pass

    anyio.run(main)


def test_the_lock_is_free_once_its_holder_has_left(tmp_path: Path) -> None:
    async def main() -> None:
        for _ in range(2):
            async with lock(tmp_path):
                pass

    anyio.run(main)
    assert (tmp_path / FILE).read_bytes() == b""


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with lock(tmp_path):
                raise ZeroDivisionError
        async with lock(tmp_path):
            pass

    anyio.run(main)


def test_waiting_takes_the_lock_when_it_becomes_free(tmp_path: Path) -> None:
    async def main() -> list[str]:
        order: list[str] = []

        async def second() -> None:
            async with lock(tmp_path, timeout_s=60):
                order.append("second")

        async with anyio.create_task_group() as group, lock(tmp_path):
            group.start_soon(second)
            await anyio.wait_all_tasks_blocked()
            order.append("first")
        return order

    assert anyio.run(main) == ["first", "second"]


def test_waiting_ends_with_the_time_allowed(tmp_path: Path) -> None:
    async def main() -> None:
        async with lock(tmp_path):
            with pytest.raises(LockHeldError, match=r"after waiting for 0\.05s"):
                async with lock(tmp_path, timeout_s=0.05):
                    pass

    anyio.run(main)


def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        async with lock(tmp_path):
            with anyio.move_on_after(0.05) as scope:
                async with lock(tmp_path, timeout_s=60):
                    pass
            assert scope.cancelled_caught

    anyio.run(main)


def test_the_lock_of_another_process_holds_and_a_dead_one_is_free(tmp_path: Path) -> None:
    async def refused() -> None:
        with pytest.raises(LockHeldError, match="run nightly"):
            async with lock(tmp_path):
                pass

    async def taken() -> None:
        async with lock(tmp_path):
            pass

    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            anyio.run(refused)
        finally:
            holder.send_signal(signal.SIGKILL)
    assert (tmp_path / FILE).read_bytes() != b""  # it had no time to record its end
    anyio.run(taken)


def test_a_holder_that_has_not_said_who_it_is_still_holds(tmp_path: Path) -> None:
    async def main() -> None:
        async with lock(tmp_path):
            (tmp_path / FILE).write_bytes(b'{"pid": ')
            with pytest.raises(LockHeldError, match="not written its name yet"):
                async with lock(tmp_path):
                    pass

    anyio.run(main)


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    async def main() -> None:
        async with lock(tmp_path):
            child = await anyio.open_process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        async with child:
            async with lock(tmp_path):
                pass
            assert child.stdin is not None
            await child.stdin.send(b"\n")
            assert await child.wait() == 0

    anyio.run(main)


def test_a_folder_that_cannot_be_made_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    async def main() -> None:
        async with lock(tmp_path / "state"):
            pass

    with pytest.raises(JournalError, match="file is in its place"):
        anyio.run(main)


def test_a_folder_in_place_of_the_lock_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()

    async def main() -> None:
        async with lock(tmp_path):
            pass

    with pytest.raises(JournalError, match="cannot be created"):
        anyio.run(main)


def test_a_file_system_without_locks_is_a_journal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(37, "No locks available")

    async def main() -> None:
        async with lock(tmp_path):
            pass

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(JournalError, match="No locks available") as caught:
        anyio.run(main)
    assert "local disk" in caught.value.advice


def test_a_folder_that_is_removed_or_replaced_is_not_locked_any_more(tmp_path: Path) -> None:
    state = tmp_path / "state"

    async def main() -> None:
        async with lock(state) as held:
            held.check()
            state.rename(tmp_path / "away")
            with pytest.raises(JournalError, match="was removed during this run"):
                held.check()
            async with lock(state) as another:  # the second run, which is not blocked
                another.check()
                with pytest.raises(JournalError, match="another run may be in progress"):
                    held.check()

    anyio.run(main)


def machine(state: Path) -> str:
    state.mkdir(exist_ok=True)
    (state / FILE).touch()
    return owner_of(state)


def test_an_owner_stays_the_same_from_run_to_run(tmp_path: Path) -> None:
    assert machine(tmp_path / "state") == machine(tmp_path / "state")
    assert (tmp_path / "state" / OWNER).stat().st_mode & 0o777 == 0o600


def test_a_copy_of_a_state_folder_is_another_owner(tmp_path: Path) -> None:
    first = machine(tmp_path / "state")
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    assert machine(tmp_path / "copy") != first


@pytest.mark.parametrize("same", ["the random value", "the boot"])
def test_two_machines_with_one_host_name_device_and_inode_are_two_owners(
    same: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made from one image with a state folder in it (another boot), or without one (another random value)."""
    state, boot = tmp_path / "state", tmp_path / "boot_id"
    boot.write_text("11111111-1111\n")
    monkeypatch.setattr(local_lock, "_BOOT_ID", boot)
    first = machine(state)
    if same == "the random value":
        boot.write_text("22222222-2222\n")
    else:
        (state / OWNER).unlink()
    assert machine(state) != first
    assert machine(state).split(":")[:3] == first.split(":")[:3]


@pytest.mark.parametrize("damaged", ["", "short", "x" * 40, "../../etc/passwd!"])
def test_a_damaged_owner_is_made_again(damaged: str, tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / OWNER).write_text(damaged)
    assert machine(tmp_path) == machine(tmp_path)
    assert damaged not in machine(tmp_path).split(":")


def test_a_link_in_place_of_the_owner_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / OWNER).symlink_to(tmp_path / "precious")
    with pytest.raises(JournalError, match="owner cannot be used"):
        machine(tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"
