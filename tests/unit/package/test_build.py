from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.commands.local import CREDENTIALS, OUTPUT_KEPT_BYTES, last_lines
from orchestrator.errors import PackageError
from orchestrator.model import Build, SourceCode
from orchestrator.package import archive
from orchestrator.package.packager import ZipPackager
from tests.unit.package.trees import make_tree


def code(folder: Path, command: str, *, source: str = "fn") -> SourceCode:
    return SourceCode(folder / source, folder, Build(command, folder))


def run_build(folder: Path, command: str) -> None:
    async def main() -> None:
        async with ZipPackager(folder / ".work") as packager:
            await packager.build(code(folder, command))

    anyio.run(main)


def failure(folder: Path, command: str) -> PackageError:
    with pytest.raises(PackageError) as caught:
        run_build(folder, command)
    return caught.value


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():  # a killed orphan may stay a zombie if nothing reaps it
            return status.read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # another process, which sets no event
        await anyio.sleep(0.005)


def read_pids(path: Path, count: int) -> list[int]:
    lines = path.read_text().split() if path.exists() else []
    return [int(line) for line in lines] if len(lines) == count else []


def test_the_shell_runs_the_command_in_its_folder(tmp_path: Path) -> None:
    run_build(tmp_path, "echo one > made && cat made > again; pwd -P > where")
    assert (tmp_path / "again").read_text() == "one\n"
    assert (tmp_path / "where").read_text().strip() == os.path.realpath(tmp_path)


def test_source_code_without_a_build_has_nothing_to_run(tmp_path: Path) -> None:
    async def main() -> None:
        async with ZipPackager(tmp_path) as packager:
            await packager.build(SourceCode(tmp_path, tmp_path))

    anyio.run(main)


def test_a_failure_tells_command_status_and_the_end_of_the_output(tmp_path: Path) -> None:
    error = failure(tmp_path, "echo first; echo '\033[31mred\033[0m' >&2; exit 3")
    assert error.message.endswith(" failed with exit status 3")
    assert "the build command `echo first; echo '\\x1b[31m" in error.message
    assert error.detail == "first\nred"
    assert error.advice


def test_a_killed_build_tells_the_signal(tmp_path: Path) -> None:
    error = failure(tmp_path, "kill -KILL $$")
    assert error.message.endswith(" was killed by signal SIGKILL")
    assert error.detail == "(it printed nothing)"


def test_an_unknown_command_is_a_failure(tmp_path: Path) -> None:
    error = failure(tmp_path, "no-such-command-here")
    assert "exit status 127" in error.message
    assert "not found" in error.detail


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    async def main() -> None:
        async with ZipPackager(tmp_path) as packager:
            await packager.build(SourceCode(tmp_path, tmp_path, Build("true", tmp_path / "gone")))

    with pytest.raises(PackageError, match="the build command `true` cannot run in gone: No such file"):
        anyio.run(main)


def test_only_the_end_of_a_long_output_is_kept(tmp_path: Path) -> None:
    error = failure(tmp_path, "seq 1 300000; exit 1")
    assert error.detail.endswith("299999\n300000")
    assert len(error.detail) <= OUTPUT_KEPT_BYTES


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (b"", ""),
        (b"10%\r20%\rdone\r\n\n", "10%\n20%\ndone"),
        (b"\xff\x00\x07bell", "\ufffdbell"),
        (b"\x1b]0;title\x07a\x1b[1;31mb\x1b[K", "ab"),
        (b"\n".join(b"%d" % number for number in range(60)), "\n".join(str(number) for number in range(10, 60))),
    ],
)
def test_output_is_made_fit_for_any_terminal(output: bytes, text: str) -> None:
    assert last_lines(output) == text


def test_a_build_reads_nothing_from_the_terminal(tmp_path: Path) -> None:
    run_build(tmp_path, "cat > typed")
    assert (tmp_path / "typed").read_text() == ""


def test_a_build_may_close_its_output_and_go_on(tmp_path: Path) -> None:
    run_build(tmp_path, "exec >&- 2>&-; sleep 0.1; : > made")
    assert (tmp_path / "made").exists()


def test_a_command_with_a_nul_is_reported(tmp_path: Path) -> None:
    assert "cannot run in" in failure(tmp_path, "echo \0").message


def test_credentials_are_kept_from_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CREDENTIALS, "NPM_TOKEN"):
        monkeypatch.setenv(name, "made-up")
    run_build(tmp_path, "env > seen")
    seen = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert not seen & CREDENTIALS
    assert {"NPM_TOKEN", "PATH"} <= seen


def test_equal_builds_run_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with ZipPackager(tmp_path / ".work") as packager, anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(packager.build, code(tmp_path, "echo ran >> log", source=f"fn{number}"))
            tasks.start_soon(packager.build, code(tmp_path, "echo other >> log"))

    anyio.run(main)
    assert sorted((tmp_path / "log").read_text().split()) == ["other", "ran"]


def test_builds_in_one_folder_run_one_after_another(tmp_path: Path) -> None:
    async def main() -> None:
        async with ZipPackager(tmp_path / ".work") as packager, anyio.create_task_group() as tasks:
            for number in range(4):
                command = f"mkdir busy && sleep 0.02 && rmdir busy && : {number}"
                tasks.start_soon(packager.build, code(tmp_path, command))

    anyio.run(main)  # two at once would fail in mkdir


def test_equal_builds_share_one_failure(tmp_path: Path) -> None:
    errors: list[PackageError] = []

    async def main() -> None:
        async with ZipPackager(tmp_path / ".work") as packager, anyio.create_task_group() as tasks:

            async def one() -> None:
                try:
                    await packager.build(code(tmp_path, "echo ran >> log; echo why; exit 1"))
                except PackageError as error:
                    errors.append(error)

            for _ in range(3):
                tasks.start_soon(one)

    anyio.run(main)
    assert [error.detail for error in errors] == ["why"] * 3
    assert len({id(error) for error in errors}) == 3  # a copy for each, so that tracebacks do not accumulate
    assert (tmp_path / "log").read_text() == "ran\n"


def test_cancelling_kills_the_whole_process_group(tmp_path: Path) -> None:
    make_tree(tmp_path, {})
    pids: list[int] = []

    async def main() -> None:
        command = "sleep 1000 & echo $! > pids; (trap '' TERM; sleep 1000) & echo $! >> pids; echo $$ >> pids; wait"
        async with ZipPackager(tmp_path / ".work") as packager, anyio.create_task_group() as tasks:
            tasks.start_soon(packager.build, code(tmp_path, command))
            await until(lambda: bool(read_pids(tmp_path / "pids", 3)))
            pids.extend(read_pids(tmp_path / "pids", 3))
            tasks.cancel_scope.cancel()
        with anyio.fail_after(60):
            await until(lambda: not any(alive(pid) for pid in pids))

    anyio.run(main)
    assert len(pids) == 3


_KILLED = """
import sys
from pathlib import Path
from orchestrator.model import Build
from orchestrator.package.build import run_build

folder = Path(sys.argv[1])
command = "sleep 1000 & echo $! > pids; (trap '' TERM HUP; sleep 1000) & echo $! >> pids; echo $$ >> pids; wait"
run_build(Build(command, folder), "here", {"PATH": "/usr/bin:/bin"}, lambda: None)
"""


def test_a_build_does_not_outlive_us_where_we_are_killed(tmp_path: Path) -> None:
    async def main() -> None:
        async with await anyio.open_process([sys.executable, "-c", _KILLED, str(tmp_path)]) as ours:
            with anyio.fail_after(60):
                await until(lambda: bool(read_pids(tmp_path / "pids", 3)))
            pids = read_pids(tmp_path / "pids", 3)
            assert all(alive(pid) for pid in pids)
            ours.kill()
            with anyio.fail_after(60):
                await until(lambda: not any(alive(pid) for pid in pids))

    anyio.run(main)


def test_how_far_a_build_is_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.package.packager._TELL_S", 0.01)
    reported: list[str] = []

    async def main() -> None:
        command = "printf 'first\\n\\033[31mhalf\\033[0m'; while [ ! -e go ]; do sleep 0.01; done"
        async with (
            ZipPackager(tmp_path / ".work", tell=reported.append) as packager,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(packager.build, code(tmp_path, command))
            with anyio.fail_after(60):
                await until(lambda: any(line.endswith(" s: half") for line in reported))
            (tmp_path / "go").touch()

    anyio.run(main)
    assert reported[0].startswith("building ")
    assert "printf" in reported[0]
    assert reported[-1].startswith("built ")


def test_what_a_build_leaves_running_neither_hangs_the_run_nor_outlives_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with ZipPackager(tmp_path / ".work") as packager:
            with anyio.fail_after(60):
                await packager.build(code(tmp_path, "sleep 1000 & echo $! > pids; sleep 0.1"))
            (pid,) = read_pids(tmp_path / "pids", 1)
            with anyio.fail_after(60):
                await until(lambda: not alive(pid))

    anyio.run(main)


def test_what_a_build_has_not_made_is_reported_with_the_build(tmp_path: Path) -> None:
    code = SourceCode(tmp_path / "dist", tmp_path, Build("true", tmp_path))
    with pytest.raises(PackageError, match="dist does not exist") as caught:
        archive.scan(code, lambda: None)
    assert caught.value.advice.startswith(f"`true` in {tmp_path} did not create it")
