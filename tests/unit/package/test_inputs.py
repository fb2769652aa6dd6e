"""A build with declared inputs runs if they, or its results, have changed; otherwise it is skipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.errors import PackageError
from orchestrator.model import Build, SourceCode
from orchestrator.package.packager import ZipPackager
from tests.unit.package.trees import make_tree

COMMAND = "echo ran >> ran.log; mkdir -p dist/lib; cat src/*.js > dist/index.js; echo x > dist/lib/x"
INPUTS = ("src/**", "package*.json")


def project(tmp_path: Path) -> Path:
    files = {"src/a.js": "a", "src/.env.js": "", "package.json": "{}", "other.txt": "", ".orchestratorignore": "src/\n"}
    return make_tree(tmp_path / "web", files)


def code(folder: Path, *, source: str = "dist", command: str = COMMAND, inputs: tuple[str, ...] = INPUTS) -> SourceCode:
    return SourceCode(folder / source, folder.parent, Build(command, folder, inputs))


def run(*codes: SourceCode, state: Path, environment: str = "") -> list[str]:
    """Build and read the sources, as one run does. Returns what was reported."""
    reported: list[str] = []

    async def main() -> None:
        async with ZipPackager(state, tell=reported.append, environment=environment) as packager:
            for each in codes:
                await packager.build(each)
                await packager.scan(each)

    anyio.run(main)
    return reported


def ran(folder: Path) -> int:
    log = folder / "ran.log"
    return len(log.read_text().split()) if log.exists() else 0


def test_nothing_has_changed_so_it_is_skipped(tmp_path: Path) -> None:
    folder = project(tmp_path)
    run(code(folder), state=tmp_path / "state")
    assert run(code(folder), state=tmp_path / "state") == ["not built again, its inputs are unchanged: web"]
    several = run(*[code(folder)] * 3, state=tmp_path / "state")
    assert several == ["not built again, its inputs are unchanged: web"], "said once, however many have it"
    (folder / "other.txt").write_text("no input")
    make_tree(folder, {"node_modules/a/package.json": "of another folder"})
    run(code(folder), state=tmp_path / "state")
    assert ran(folder) == 1


def test_what_was_built_for_one_environment_is_not_of_another(tmp_path: Path) -> None:
    folder = project(tmp_path)
    for number, environment in enumerate(("", "dev", "prod", "dev"), start=1):
        run(code(folder), state=tmp_path / "state", environment=environment)
        assert ran(folder) == min(number, 3)


CHANGES: dict[str, Callable[[Path], object]] = {
    "an input": lambda folder: (folder / "src/a.js").write_text("b"),
    "an input whose name is short": lambda folder: (folder / "package-lock.json").write_text("{}"),
    "a new input": lambda folder: make_tree(folder, {"src/deep/b.js": ""}),
    "an input that is gone": lambda folder: (folder / "src/.env.js").unlink(),
    "an executable bit": lambda folder: (folder / "src/a.js").chmod(0o755),
    "what it made is gone": lambda folder: (folder / "dist").rename(folder / "away"),
    "a part of what it made is gone": lambda folder: (folder / "dist/lib/x").unlink(),
    "what it made was edited": lambda folder: (folder / "dist/index.js").write_text("by hand"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_something_has_changed_so_it_runs(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder = project(tmp_path)
    run(code(folder), state=tmp_path / "state")
    change(folder)
    run(code(folder), state=tmp_path / "state")
    assert ran(folder) == 2


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b'{"schema": 2}', b'{"schema": 1, "builds": {"a": 1}}'])
def test_a_state_that_cannot_be_read_costs_a_build(tmp_path: Path, broken: bytes) -> None:
    folder = project(tmp_path)
    run(code(folder), state=tmp_path / "state")
    assert (tmp_path / "state/builds.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "state/builds.json").write_bytes(broken)
    run(code(folder), state=tmp_path / "state")
    run(code(folder), state=tmp_path / "state")
    assert ran(folder) == 2


def test_another_command_or_none_declared_runs(tmp_path: Path) -> None:
    folder = project(tmp_path)
    for _ in range(2):
        run(code(folder, inputs=()), state=tmp_path / "state")
    assert ran(folder) == 2
    run(code(folder), code(folder, command=f"{COMMAND}; true"), state=tmp_path / "state")
    assert ran(folder) == 4


def test_a_build_that_failed_is_not_taken_for_made(tmp_path: Path) -> None:
    folder = project(tmp_path)
    failing = f"{COMMAND}; [ ! -e bad ]"
    run(code(folder, command=failing), state=tmp_path / "state")
    make_tree(folder, {"bad": "", "src/a.js": "b"})
    for _ in range(2):
        with pytest.raises(PackageError, match="failed with exit status 1"):
            run(code(folder, command=failing), state=tmp_path / "state")
    (folder / "src/a.js").write_text("a")  # the inputs of the good build; the existing results have others
    (folder / "bad").unlink()
    run(code(folder, command=failing), state=tmp_path / "state")
    assert ran(folder) == 4


def test_functions_that_share_a_build_are_looked_at_each(tmp_path: Path) -> None:
    folder = project(tmp_path)
    both = (code(folder), code(folder, source="dist/lib"))
    run(*both, state=tmp_path / "state")
    run(*both, state=tmp_path / "state")
    assert ran(folder) == 1
    (folder / "dist/lib/x").unlink()
    run(*both, state=tmp_path / "state")
    assert ran(folder) == 2


@pytest.mark.parametrize("line", ["scr/**", "package.jsn", "./src/**", "[z-a]"])
def test_inputs_without_effect_are_an_error(tmp_path: Path, line: str) -> None:
    folder = project(tmp_path)
    with pytest.raises(PackageError, match=r"^build\.inputs: ") as caught:
        run(code(folder, inputs=("src/**", line)), state=tmp_path / "state")
    assert "include" not in caught.value.message
    assert ran(folder) == 0
