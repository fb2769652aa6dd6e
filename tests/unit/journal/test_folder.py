"""The state folder is private to its owner, whichever code creates it first, and no link in it is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from orchestrator.coordination.due_files import FileRecords
from orchestrator.coordination.local_lock import lock
from orchestrator.errors import JournalError, OrchestratorError
from orchestrator.journal.folder import make_state_dir, open_private
from orchestrator.journal.store import open_store
from orchestrator.package.packager import ZipPackager
from orchestrator.sandbox.http.server import Options, open_sandbox
from tests.runs import started

TEXT = "a file of the user's"


@pytest.fixture(autouse=True)
def _generous() -> Iterator[None]:
    """Use a umask that keeps nothing private."""
    old = os.umask(0)
    yield
    os.umask(old)


async def _lock(state_dir: Path) -> None:
    async with lock(state_dir):
        pass


async def _journal(state_dir: Path) -> None:
    with open_store(state_dir) as store:
        store.start_run(started(uuid4().hex))
        assert (state_dir / "journal.sqlite3-wal").exists()
        assert wide(state_dir) == []


async def _claims(state_dir: Path) -> None:
    await FileRecords(state_dir).create(f"claims/{uuid4().hex}.json", b"{}")


async def _packages(state_dir: Path) -> None:
    make_state_dir(state_dir)
    async with ZipPackager(state_dir / "packages"):
        assert wide(state_dir) == []


async def _sandbox(state_dir: Path) -> None:
    make_state_dir(state_dir)
    async with open_sandbox(Options(state_dir=state_dir / "sandbox", buckets=("packages",))) as sandbox:
        sandbox.objects.put("packages", "one", b"content")
        assert {path.name for path in (state_dir / "sandbox").glob("*.db*")} >= {"sandbox.db", "sandbox.db-wal"}
        assert wide(state_dir) == []


FIRST = {"lock": _lock, "journal": _journal, "claims": _claims, "packages": _packages, "sandbox": _sandbox}
# What each opens by name, and where a link could have been put in its place.
PLACES = [
    ("lock", "lock"), ("journal", "journal.sqlite3"), ("journal", "journal.sqlite3-wal"), ("claims", "claims"),
    ("packages", "packages"), ("sandbox", "sandbox"), ("sandbox", "sandbox/sandbox.db"),
    ("sandbox", "sandbox/key.part"), ("sandbox", "sandbox/objects"), ("sandbox", "sandbox/objects/packages"),
]  # fmt: skip


def wide(folder: Path) -> list[str]:
    """Return what others can access."""
    return [f"{path} {stat.S_IMODE(path.stat().st_mode):o}" for path in [folder, *folder.rglob("*")]
            if path.stat().st_mode & 0o077]  # fmt: skip


@pytest.mark.parametrize("first", FIRST)
def test_whoever_makes_the_folder_first_makes_it_private(tmp_path: Path, first: str) -> None:
    state_dir = tmp_path / ".orchestrator"
    anyio.run(FIRST[first], state_dir)
    assert any(state_dir.iterdir())
    assert wide(state_dir) == []
    assert (state_dir / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("first", FIRST)
def test_what_a_former_program_left_open_is_tightened(tmp_path: Path, first: str) -> None:
    state_dir = tmp_path / ".orchestrator"
    anyio.run(FIRST[first], state_dir)
    state_dir.chmod(0o755)
    for path in state_dir.rglob("*"):
        if path.is_dir() or path.name.startswith(("lock", "journal", "sandbox.db")):  # others are created again
            path.chmod(0o755 if path.is_dir() else 0o644)
    anyio.run(FIRST[first], state_dir)
    assert wide(state_dir) == []


def test_a_folder_that_holds_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text("")
    tmp_path.chmod(0o755)
    anyio.run(_journal_in, tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert wide(tmp_path / "journal.sqlite3") == []


async def _journal_in(state_dir: Path) -> None:
    open_store(state_dir).close()


@pytest.mark.parametrize(("first", "place"), PLACES)
@pytest.mark.parametrize("made", [True, False], ids=["a file", "nothing there yet"])
def test_a_link_in_the_state_folder_is_not_followed(tmp_path: Path, first: str, place: str, *, made: bool) -> None:
    state_dir, target = tmp_path / ".orchestrator", tmp_path / "target"
    make_state_dir(state_dir)
    link = state_dir / place
    link.parent.mkdir(parents=True, exist_ok=True)
    folder = link.name in ("claims", "packages", "sandbox", "objects")
    if made and folder:
        target.mkdir()
    elif made:
        target.write_text(TEXT)
    link.symlink_to(target)
    with pytest.raises(OrchestratorError) as caught:
        anyio.run(FIRST[first], state_dir)
    assert f"{link.name} is a link, and links are not followed in the state folder; remove it" in caught.value.message
    assert target.exists() is made
    if folder and made:
        assert list(target.iterdir()) == []
    elif made:
        assert target.read_text() == TEXT


def test_a_journal_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    open_store(tmp_path / "other").close()
    (tmp_path / "journal.sqlite3").symlink_to(tmp_path / "other" / "journal.sqlite3")
    with pytest.raises(JournalError, match="sqlite3 is a link"):
        open_store(tmp_path, read_only=True)


@pytest.mark.parametrize(
    ("fill", "followed"),
    [
        (lambda _: None, True),
        (make_state_dir, True),
        (lambda target: (target / "id_rsa").write_text(TEXT), False),
        (lambda target: (target / ".gitignore").write_text("# made by somebody else\n*\n"), False),
    ],
    ids=["an empty folder", "a state folder", "a folder of the user's", "another program's folder"],
)
def test_the_folder_itself_may_be_a_link_to_a_state_folder_alone(
    tmp_path: Path, fill: Callable[[Path], object], *, followed: bool
) -> None:
    target, state_dir = tmp_path / "target", tmp_path / ".orchestrator"
    target.mkdir()
    fill(target)
    before = {path.name for path in target.iterdir()}
    state_dir.symlink_to(target)
    if followed:
        make_state_dir(state_dir)
        assert wide(target) == []
        return
    with pytest.raises(JournalError, match=f"it is a link to {target}, which is not a state folder; remove the link"):
        make_state_dir(state_dir)
    assert {path.name for path in target.iterdir()} == before


@pytest.mark.timeout(10)
def test_a_pipe_in_place_of_the_lock_does_not_hang_the_program(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(JournalError, match="it is not a regular file"):
        anyio.run(_lock, tmp_path)


def test_opening_again_empties_only_what_is_to_be_emptied(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(TEXT)
    os.close(open_private(path, os.O_RDWR))
    assert path.read_text() == TEXT
    os.close(open_private(path, os.O_RDWR | os.O_TRUNC))
    assert path.read_text() == ""
