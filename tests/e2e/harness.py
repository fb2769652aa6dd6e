"""The installed program as a user runs it: projects, processes, terminals, and sandboxes that always stop."""

from __future__ import annotations

import atexit
import codecs
import fcntl
import json
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

from anyio.from_thread import start_blocking_portal

from orchestrator.sandbox.http.server import Options, Sandbox, open_sandbox
from tests.e2e.forked import HASTE, Forked
from tests.pages.verbs_page import calls_since, known_end
from tests.published import published_events, published_output
from tests.surroundings import neutral

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "orchestrator")
BUCKET = "deploy-packages"
TIMEOUT_S = 60.0
RECORD = Path(tempfile.mkdtemp(prefix="orchestrator-e2e-")) / "calls.ndjson"  # what every sandbox is asked
# For tests that wait until a machine counts as dead: after 10 s instead of 30 s. tests/flow uses the same figures.
HASTY = {HASTE: "3"}
Process = subprocess.Popen[Any] | Forked


def daily(hours_east: int = 0) -> str:
    """A schedule whose due times are half a day away, of a time zone that many hours east of Greenwich. One that passes
    during a test is seen by it: each hour of the day is one at which some machine runs these tests.
    """
    return f"0 {(datetime.now(UTC).hour + 12 + hours_east) % 24} * * *"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without this machine's own settings."""
    kept = neutral(os.environ)
    # No test waits for a network.
    kept["ORCHESTRATOR_START_TIMEOUT"] = "0s"
    return kept | {"TZ": "UTC", "ORCHESTRATOR_RECORD": str(RECORD)} | dict(extra or {})


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended, with its output."""

    code: int
    out: str
    err: str


def run(
    root: Path, *arguments: str, environ: Mapping[str, str] | None = None, program: Sequence[str] = PROGRAM
) -> Ended:
    """Run the program to its end. A traceback always fails the test."""
    called = RECORD.stat().st_size if RECORD.exists() else 0
    if program == PROGRAM:
        with forked(root, *arguments, environ=environ) as process:
            end = ended(process)
    else:
        done = subprocess.run(
            [*program, *arguments], cwd=root, env=environment(environ), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        end = Ended(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in end.out + end.err, end.err
    known_end(arguments, end.code, calls_since(RECORD, called))
    return end


@cache
def warm() -> str:
    """Start the program that all others of this process are forked from (see `tests.e2e.warm`). Return its address."""
    name = RECORD.parent.name  # unique. Not the path of a socket: that may have 107 bytes only, and TMPDIR may be long
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.warm", name], cwd=ROOT, env=environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    atexit.register(process.wait, TIMEOUT_S)
    atexit.register(process.stdin.close)  # which ends it: the last registered function runs first
    return f"\0{name}"  # abstract: there is no file


@contextmanager
def forked(
    root: Path, *arguments: str, environ: Mapping[str, str] | None = None, watched: bool = False
) -> Iterator[Forked]:
    """Start the program without its imports, where its start is not tested; see `running`."""
    with Forked(warm(), root, arguments, environment(environ), watched=watched) as process:
        yield process
    published_events(root, arguments)


@contextmanager
def running(
    root: Path, *arguments: str, environ: Mapping[str, str] | None = None, **how: Any
) -> Iterator[subprocess.Popen[str]]:
    """Start the program, and kill what the block leaves running."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    with subprocess.Popen(
        [*PROGRAM, *arguments], cwd=root, env=environment(environ), text=True, start_new_session=True, **streams
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    published_events(root, arguments)


def ended(process: Process) -> Ended:
    """Wait for the end of a started program."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in f"{out}{err}", err
    command = process.arguments if isinstance(process, Forked) else cast("Sequence[str]", process.args)
    published_output(out or "", command)
    return Ended(process.wait(TIMEOUT_S), out or "", err or "")


def cut_off(
    root: Path,
    number: signal.Signals,
    after: int,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    then: Callable[[], object] = lambda: None,
    start: Callable[..., AbstractContextManager[Process]] = forked,
) -> Ended:
    """Start a run and end it with a signal once this many Operations were accepted; `then` runs next."""
    log = root / "events.ndjson"
    log.unlink(missing_ok=True)
    with start(root, *arguments, "--events", str(log), environ=environ) as process:
        wait_for(lambda: count_events(log, "operation_accepted") >= after, process)
        interrupt(process, number)
        then()
        return ended(process)


def wait_for(condition: Callable[[], bool], process: Process) -> None:
    """Poll until a condition is true, while the program that should make it true runs."""
    deadline_at = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process.poll() is None, "the program has ended before it was so"
        assert time.monotonic() < deadline_at
        time.sleep(0.01)


def events(path: Path) -> list[dict[str, Any]]:
    """Read the events of a file so far; its last line may be incomplete."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]


def count_events(path: Path, kind: str) -> int:
    return sum(event["kind"] == kind for event in events(path))


class Terminal:
    """The program on its own terminal, as the foreground process group of its session."""

    def __init__(
        self,
        root: Path,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        window: tuple[int, int] = (40, 120),
        shown: Callable[[str], object] = lambda _part: None,
    ) -> None:
        """`window`: its lines and columns; `shown` receives each part of the output."""
        self._shown = shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *window, 0, 0))
        try:
            self.process = Forked(warm(), root, arguments, environment(environ), terminal=slave)
        finally:
            os.close(slave)
        self.text = ""

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, lines: int, columns: int) -> None:
        """Resize the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_until(self, part: str) -> str:
        """Read until the screen has shown `part`, and return everything shown so far."""
        while part not in self.text:
            assert self._read(), f"the program ended before {part!r}:\n{self.text}"
        return self.text

    def read_some(self) -> None:
        """Read the next output."""
        assert self._read(), f"the program has ended:\n{self.text}"

    def end(self) -> Ended:
        """Read to the end."""
        while self._read():
            pass
        code = self.process.wait(TIMEOUT_S)
        assert "Traceback" not in self.text, self.text
        return Ended(code, self.text, "")

    def hang_up(self) -> None:
        """Close the terminal's window."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        with self.process:
            pass
        if self._master >= 0:
            os.close(self._master)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], TIMEOUT_S)
        assert ready, f"nothing more was shown:\n{self.text}"
        try:
            part = os.read(self._master, 65536)
        except OSError:  # the error of Linux after the other end was closed
            return False
        text = self._decoder.decode(part)
        self.text += text
        self._shown(text)
        return bool(part)


@contextmanager
def terminal(root: Path, *arguments: str, environ: Mapping[str, str] | None = None, **how: Any) -> Iterator[Terminal]:
    """Start the program on a terminal, and kill what is left running. `how`: see `Terminal`."""
    screen = Terminal(root, *arguments, environ=environ, **how)
    try:
        yield screen
    finally:
        screen.close()


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running sandbox that tests query directly."""

    url: str
    state_dir: Path

    @property
    def key_file(self) -> Path:
        return self.state_dir / "key.json"

    @property
    def static_key(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.state_dir / "static_key.json").read_text())
        return found

    def environ(self, folder_id: str = "") -> dict[str, str]:
        """Return the variables that a user sets to deploy into a folder of this cloud."""
        folder = {"YC_FOLDER_ID": folder_id} if folder_id else {}
        return {"YC_SERVICE_ACCOUNT_KEY_FILE": str(self.key_file), "ORCHESTRATOR_ENDPOINT": self.url} | folder

    def token(self) -> str:
        """Return an IAM token, as a machine of this cloud gets it."""
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        return str(_get(self.url + path, {"Metadata-Flavor": "Google"})["access_token"])

    def versions(self, folder_id: str) -> list[dict[str, Any]]:
        """Return every Version of a folder."""
        return self._all("versions", f"versions?folderId={folder_id}")

    def functions(self, folder_id: str) -> list[dict[str, Any]]:
        return self._all("functions", f"functions?folderId={folder_id}")

    def operations(self, folder_id: str) -> list[dict[str, Any]]:
        """Return the Operations of every function of a folder."""
        paths = [f"functions/{function['id']}/operations?" for function in self.functions(folder_id)]
        return [one for path in paths for one in self._all("operations", path)]

    def tag_history(self, function_id: str, tag: str) -> list[dict[str, Any]]:
        """Return where a tag of a function has been, and when."""
        return self._all("functionTagHistoryRecord", f"functions/{function_id}:tagHistory?tag={tag}")

    def post(self, path: str, body: Mapping[str, Any], *, token: str) -> dict[str, Any]:
        """Make a change with a token, and return the finished Operation."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/functions/v1/{path}", json.dumps(body).encode(), headers)
        operation = _open(request)
        while not operation.get("done"):
            time.sleep(0.02)
            operation = _get(f"{self.url}/operations/{operation['id']}", headers)
        assert "error" not in operation, operation
        return operation

    def _all(self, what: str, path: str) -> list[dict[str, Any]]:
        headers, found, page = {"Authorization": f"Bearer {self.token()}"}, [], ""
        while True:
            answer = _get(f"{self.url}/functions/v1/{path}&pageSize=1000&pageToken={page}", headers)
            found += answer.get(what, [])
            page = answer.get("nextPageToken", "")
            if not page:
                return found


def _get(url: str, headers: dict[str, str]) -> dict[str, Any]:
    return _open(urllib.request.Request(url, headers=headers))


def _open(request: urllib.request.Request) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


@contextmanager
def sandbox(folder: Path, *arguments: str) -> Iterator[Cloud]:
    """Run `orchestrator sandbox`. It ends with its standard input: with this block, or however these tests end."""
    command = ("sandbox", "--port", "0", "--state", str(folder), "--bucket", BUCKET, "--until-stdin-closes")
    with forked(folder, *command, *arguments, watched=True) as process:
        assert process.stdin is not None
        yield Cloud(process.stdout.readline().split()[-1], folder / "sandbox")
        process.stdin.close()
        process.wait(TIMEOUT_S)


@contextmanager
def embedded(folder: Path, **options: Any) -> Iterator[tuple[Cloud, Sandbox]]:
    """Serve a sandbox from a thread of this process, so that a test can access it."""
    opened = open_sandbox(Options(state_dir=folder, buckets=(BUCKET,), record=RECORD, **options))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened) as served:
        yield Cloud(served.url, folder), served


class Clock:
    """The wall clock of an embedded sandbox. A test advances it instead of waiting."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead_s

    def forward(self, seconds: float) -> None:
        self._ahead_s += seconds


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a deploy.toml, the sources of its functions, and their folder in the cloud."""

    root: Path
    folder_id: str

    @property
    def manifest(self) -> Path:
        return self.root / "deploy.toml"

    @property
    def state_dir(self) -> Path:
        return self.root / ".orchestrator"

    def write(
        self, count: int, *, size_bytes: int = 0, more: str = "", defaults: str = "", folder_ids: Sequence[str] = ()
    ) -> Project:
        """Write `count` functions f000 …, spread over `folder_ids`; `size_bytes` of a package are incompressible."""
        tables = [
            f'[cloud]\nfolder_id = "{self.folder_id}"\n[storage]\nbucket = "{BUCKET}"\n',
            (
                '[defaults]\nruntime = "python312"\nmemory = "128MB"\ntimeout = "3s"\nentrypoint = "index.handler"\n'
                f"create = true\n{defaults}"
            ),
        ]
        for number in range(count):
            name = f"f{number:03}"
            source = self.root / "src" / name
            source.mkdir(parents=True, exist_ok=True)
            (source / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
            if size_bytes:
                (source / "data.bin").write_bytes(random.Random(number).randbytes(size_bytes))
            folder_id = (folder_ids or [self.folder_id])[number % max(1, len(folder_ids))]
            tables.append(f'[functions.{name}]\nsource = "src/{name}"\nfolder_id = "{folder_id}"\n')
        self.manifest.write_text("\n".join([*tables, more]), encoding="utf-8")
        return self

    def without_bucket(self) -> None:
        """Make packages inline, without a lease."""
        self.manifest.write_text(self.manifest.read_text().replace(f'[storage]\nbucket = "{BUCKET}"\n', ""))


def interrupt(process: Process, number: signal.Signals = signal.SIGINT) -> None:
    process.send_signal(number)
