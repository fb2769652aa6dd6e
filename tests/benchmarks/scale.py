"""Cost of a large manifest: `python -m tests.benchmarks.scale [FUNCTIONS [FILES [FILES_EACH]]]`.

Writes FUNCTIONS (5,000) over FILES (200) included files, each with [defaults] and an [each], and measures the installed
program in CPU seconds and seconds. First `validate` of functions without sources, with no, two and five environments.
Then `plan` and `validate` with a source of FILES_EACH (20) files per function: a first time, and again with the caches
of the first. Nothing is live.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio.from_thread import start_blocking_portal

from orchestrator.package.digests import SETTLED_NS
from orchestrator.sandbox.http.server import Options, open_sandbox
from tests.e2e.harness import PROGRAM, Cloud, environment

FOLDER = "b1gbenchmark000000000"
_HEAD = 'include = ["teams/*/team.toml"]\n[defaults]\nruntime = "python312"\nmemory = "128MB"\ntimeout = "10s"\n'
_TEAM = '[defaults]\nenvironment = {{ TEAM = "{team}" }}\nlabels = {{ team = "{team}" }}\n[each.of-{team}]\n'
_ENVIRONMENT = '[environments.{name}]\ncloud = {{ folder_id = "b1g{name}" }}\nvariables = {{ LEVEL = "{name}" }}\n'


@dataclass(frozen=True, slots=True)
class Team:
    """One included file. `folder`: its own. `names`: of its functions."""

    folder: Path
    names: tuple[str, ...]


def teams(root: Path, functions: int, files: int) -> list[Team]:
    """Distribute functions over files."""
    names = [f"f{number:05d}" for number in range(functions)]
    return [Team(root / "teams" / f"t{team:03d}", tuple(names[team::files])) for team in range(files)]


def write_manifest(root: Path, functions: int, files: int, environments: int = 0, *, sources: bool = False) -> None:
    """Write a manifest. `sources`: each function has its own folder; otherwise it copies the live code."""
    declared = "".join(_ENVIRONMENT.format(name=f"e{number}") for number in range(environments))
    level = 'environment = { LEVEL = "${LEVEL}" }\n' if environments else ""
    root.mkdir(parents=True, exist_ok=True)
    (root / "deploy.toml").write_text(f'{_HEAD}entrypoint = "index.handler"\ncreate = true\n{level}{declared}')
    for team in teams(root, functions, files):
        team.folder.mkdir(parents=True, exist_ok=True)
        names = ", ".join(f'"{name}"' for name in team.names)
        each = f'names = [{names}]\nversion_id = "$latest"\n'
        if sources:
            each = 'folders = "functions/*"\nsource = "{path}"\n'
        (team.folder / "team.toml").write_text(_TEAM.format(team=team.folder.name) + each)


def write_sources(root: Path, functions: int, files: int, files_each: int) -> None:
    """Write a source for each function, of some kilobytes."""
    for team in teams(root, functions, files):
        for name in team.names:
            folder = team.folder / "functions" / name
            (folder / "lib").mkdir(parents=True, exist_ok=True)
            (folder / "index.py").write_text(f"def handler(event, context):\n    return {name!r}\n")
            for number in range(1, files_each):
                (folder / "lib" / f"part{number:03d}.py").write_text(f"NAME = {name!r}\n" + "VALUE = 1\n" * 100)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of the program took."""

    cpu_s: float
    wall_s: float

    def __str__(self) -> str:
        """Return both figures as text."""
        return f"{self.cpu_s:6.2f} CPU-s, {self.wall_s:6.2f} s"


def cost(root: Path, cloud: Cloud, *arguments: str, codes: tuple[int, ...] = (0,)) -> Cost:
    """Run the program to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ran = subprocess.run(
        [*PROGRAM, *arguments], cwd=root, env=environment(cloud.environ(FOLDER)), check=False, stdout=subprocess.DEVNULL
    )
    if ran.returncode not in codes:
        raise SystemExit(f"{' '.join(arguments)}: exit code {ran.returncode}")
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - began)


def _say(what: str, of: Cost) -> None:
    sys.stdout.write(f"{what:44} {of}\n")
    sys.stdout.flush()


def main(functions: int, files: int, files_each: int) -> None:
    """Print the figures."""
    sys.stdout.write(f"{functions} functions in {files} files\n")
    with TemporaryDirectory() as folder, start_blocking_portal() as portal:
        root = Path(folder)
        options = Options(state_dir=root / "cloud")
        with portal.wrap_async_context_manager(open_sandbox(options)) as served:
            cloud = Cloud(served.url, root / "cloud")
            for environments in (0, 2, 5):
                place = root / f"code{environments}"
                write_manifest(place, functions, files, environments)
                _say(f"validate, {environments} environments", cost(place, cloud, "validate"))
                if environments:
                    _say("the same, --env e0", cost(place, cloud, "validate", "--env", "e0"))
            place = root / "sources"
            write_manifest(place, functions, files, sources=True)
            write_sources(place, functions, files, files_each)
            time.sleep(SETTLED_NS / 1e9)  # otherwise they are read again
            _say(f"validate, sources of {files_each} files, nothing kept", cost(place, cloud, "validate"))
            _say("plan of them, first time", cost(place, cloud, "plan", "--output", "json"))
            _say("the same again", cost(place, cloud, "plan", "--output", "json"))
            _say("validate of them", cost(place, cloud, "validate"))


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(*given, *(5000, 200, 20)[len(given) :])
