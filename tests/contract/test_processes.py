"""Handlers in separate processes: real Python, Node.js and Bash, from packages as they were uploaded."""

from __future__ import annotations

import base64
import io
import json
import shutil
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.sandbox.memory.quotas import Quotas
from orchestrator.sandbox.processes import child, packages
from tests import idle_time
from tests.clouds import FOLDER, body
from tests.contract.calling import VERSIONS, Caller, serve
from tests.contract.test_sandbox_serve import ask, process

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js here")


def _zip(files: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file.getvalue()


@dataclass(frozen=True)
class _Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class _Functions:
    """A Function on a running sandbox."""

    caller: Caller
    id: str

    async def deploy(self, files: Mapping[str, str], **fields: Any) -> str:
        source = {} if {"package", "versionId"} & fields.keys() else {"content": base64.b64encode(_zip(files)).decode()}
        answer = await self.caller.ask("POST", VERSIONS, body(self.id, **source, **fields))
        done = await self.caller.finished(answer.json)
        assert "error" not in done, done["error"]
        return str(done["metadata"]["functionVersionId"])

    async def call(
        self, content: bytes = b"{}", query: str = "?integration=raw", token: str | None = None, method: str = "POST"
    ) -> _Got:
        sent = {"Authorization": f"Bearer {self.caller.token if token is None else token}"} if token != "" else {}
        url = f"{self.caller.sandbox.invoke_url}/{self.id}{query}"
        async with self.caller.session.request(method, url, data=io.BytesIO(content), headers=sent) as response:
            return _Got(response.status, response.headers.copy(), await response.read())

    @property
    def log(self) -> list[tuple[str, str]]:
        return [(line["stream"], line["message"]) for line in self.caller.sandbox.log.lines]


async def _until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not holds():  # noqa: ASYNC110 - another process causes the event
            await anyio.sleep(0.02)


def _on(program: Callable[[_Functions], Awaitable[None]], **options: Any) -> None:
    async def main(caller: Caller) -> None:
        await program(_Functions(caller, await caller.function()))

    serve(main, **options)


PYTHON = """
import json, os, resource, sys
count = 0
def handler(event, context):
    global count
    count += 1
    print("printed")
    print("complained", file=sys.stderr)
    left = context.get_remaining_time_in_millis()
    return {"event": event, "count": count, "pid": os.getpid(), "environ": dict(os.environ), "left": 0 < left <= 10_000,
            "ids": [context.function_name, context.function_version, context.request_id], "token": context.token,
            "memory": context.memory_limit_in_mb, "path": [p for p in sys.path if "site-packages" in p],
            "largest_file": resource.getrlimit(resource.RLIMIT_FSIZE)[0]}
"""


def test_a_python_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YC_TOKEN", "ours alone")

    async def program(function: _Functions) -> None:
        version_id = await function.deploy({"index.py": PYTHON}, environment={"LEVEL": "info"})
        first, second = await function.call(b'{"a": 1}'), await function.call(b"text")
        assert (first.status, first.json["event"], second.json["event"]) == (200, {"a": 1}, "text")
        assert first.json["ids"] == [function.id, version_id, first.headers["X-Request-Id"]]
        assert (first.json["left"], first.json["memory"], first.json["token"], first.json["path"]) == (
            True,
            128,
            None,
            [],
        )
        assert first.json["largest_file"] == 512 << 20
        assert first.json["environ"]["LEVEL"] == "info"
        assert "YC_TOKEN" not in first.json["environ"]
        assert (second.json["count"], second.json["pid"]) == (2, first.json["pid"])  # one process, warm
        assert ("stdout", "printed") in function.log
        assert ("stderr", "complained") in function.log

    _on(program)


@needs_node
@pytest.mark.parametrize(
    ("files", "entrypoint"),
    [
        ({"index.js": "exports.handler = async (event, context) => ({ event, id: context.functionVersion });"}, None),
        ({"index.js": "exports.handler = (event, context) => ({ event, id: context.functionVersion });"}, None),
        ({"src/main.mjs": "export const run = (event, c) => ({ event, id: c.functionVersion });"}, "src/main.run"),
    ],
    ids=["async", "sync", "module"],
)
def test_a_node_handler(files: Mapping[str, str], entrypoint: str | None) -> None:
    async def program(function: _Functions) -> None:
        version_id = await function.deploy(files, runtime="nodejs22", entrypoint=entrypoint or "index.handler")
        for number in (1, 2):
            answer = await function.call(json.dumps({"n": number}).encode())
            assert (answer.status, answer.json) == (200, {"event": {"n": number}, "id": version_id})

    _on(program)


@needs_node
def test_a_node_handler_that_throws() -> None:
    async def program(function: _Functions) -> None:
        files = {"index.js": "exports.handler = () => { console.log('seen'); throw new TypeError('bad'); };"}
        await function.deploy(files, runtime="nodejs22")
        answer = await function.call()
        assert (answer.status, answer.headers["X-Function-Error"]) == (502, "true")
        assert (answer.json["errorType"], answer.json["errorMessage"]) == ("TypeError", "bad")
        assert all("node_runner" not in frame for frame in answer.json["stackTrace"])
        assert ("stdout", "seen") in function.log

    _on(program)


@needs_node
def test_what_fails_in_node_after_an_answer_is_not_the_next_ones_answer() -> None:
    late = "exports.handler = () => { setImmediate(() => { throw new Error('late'); }); return 1; };"
    inside = "exports.handler = () => new Promise(() => { setImmediate(() => { throw new Error('inside'); }); });"

    async def program(function: _Functions) -> None:
        await function.deploy({"index.js": late}, runtime="nodejs22")
        assert (await function.call()).json == 1
        for _ in range(3):
            answer = await function.call()
            assert answer.json == 1 or answer.json["errorType"] == "ProcessExited"
        await function.deploy({"index.js": inside}, runtime="nodejs22")
        assert (await function.call()).json["errorMessage"] == "inside"

    _on(program)


def test_a_bash_script() -> None:
    async def program(function: _Functions) -> None:
        script = {"handler.sh": 'read -r event; echo "{\\"got\\": $event, \\"level\\": \\"$LEVEL\\"}"; echo said >&2'}
        environment = {"LEVEL": "info"}
        await function.deploy(script, runtime="bash-2204", entrypoint="handler.sh", environment=environment)
        answer = await function.call(b'{"a": 1}')
        assert (answer.status, answer.json) == (200, {"got": {"a": 1}, "level": "info"})
        assert ("stderr", "said") in function.log
        await function.deploy({"handler.sh": "exit 4"}, runtime="bash-2204", entrypoint="handler.sh")
        answer = await function.call()
        assert (answer.status, answer.headers["X-Function-Error"]) == (502, "true")
        assert "exit code 4" in answer.json["errorMessage"]

    _on(program)


_FAILING = {
    "raises": ("def handler(e, c): return 1 / 0", "ZeroDivisionError"),
    "import": ("import nothere", "ModuleNotFoundError"),
    "no handler": ("def other(e, c): pass", "AttributeError"),
    "syntax": ("def handler(:", "SyntaxError"),
    "dies": ("import os\ndef handler(e, c): os._exit(3)", "ProcessExited"),
    "exits": ("import sys\ndef handler(e, c): sys.exit(1)", "SystemExit"),
    "memory": ("def handler(e, c): return len(b'x' * 1_000_000_000)", "MemoryError"),
    "no JSON": ("def handler(e, c): return object()", "TypeError"),
    "too large": ("def handler(e, c): return 'x' * 4_000_000", "ResponseTooLarge"),
    "far too large": ("def handler(e, c): return 'x' * 20_000_000", "ResponseTooLarge"),
}


def test_handlers_that_fail_are_502_with_their_error_and_the_next_call_is_served() -> None:
    async def program(function: _Functions) -> None:
        for name, (code, kind) in _FAILING.items():
            await function.deploy({"index.py": code})
            for _ in range(2):
                answer = await function.call()
                assert (answer.status, answer.headers["X-Function-Error"], answer.json["errorType"]) == (
                    502,
                    "true",
                    kind,
                ), name
        await function.deploy({"index.py": "def handler(e, c): return e"})
        assert (await function.call(b"[1]")).json == [1]
        await function.deploy({"index.py": "def handler(e, c): return 'x' * e"})
        # in quotes, the first answer has as many bytes as are allowed
        assert [(await function.call(f"{size}".encode())).status for size in (3_670_014, 3_670_015)] == [200, 502]

    _on(program)


def _state(pid: int) -> str:
    """Return the state of a process. T: stopped, Z: dead and not yet waited for, X: gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"


def _is_gone(pid: int) -> bool:
    return _state(pid) in "XZ"


@pytest.mark.parametrize("runtime", ["python312", "bash-2204"])
def test_a_handler_beyond_its_timeout_is_killed_with_all_that_it_started(runtime: str, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    code = {
        "index.py": f"import os, subprocess\ndef handler(e, c):\n    child = subprocess.Popen(['sleep', '600'])\n"
        f"    open({str(file)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n    child.wait()\n",
        "handler.sh": f"sleep 600 & echo $$ $! > {file}; wait",
    }
    entrypoint = "index.handler" if runtime == "python312" else "handler.sh"

    def pids() -> list[int]:
        return [int(pid) for pid in file.read_text("utf-8").split()] if file.exists() else []

    async def late() -> None:
        await _until(lambda: len(pids()) == 2)
        idle_time.let_pass(100)

    async def program(function: _Functions) -> None:
        await function.deploy(code, runtime=runtime, entrypoint=entrypoint, executionTimeout="100s")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(late)
            answer = await function.call()
        assert (answer.status, "X-Function-Error" in answer.headers) == (504, False)
        await _until(lambda: all(map(_is_gone, pids())))

    _on(program)


def test_no_process_and_no_file_outlives_the_sandbox() -> None:
    found: list[int] = []
    folders: list[str] = []

    async def program(function: _Functions) -> None:
        await function.deploy({"index.py": "import os\ndef handler(e, c): return [os.getpid(), os.getcwd()]"})
        pid, folder = (await function.call()).json
        found.append(pid)
        folders.append(folder)
        await _until(lambda: _state(pid) == "T")  # nothing runs between calls

    _on(program)
    assert _is_gone(found[0])
    assert not Path(folders[0]).exists()


def test_what_handlers_print_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LOGGED_MAX_BYTES", 2048)

    async def program(function: _Functions) -> None:
        await function.deploy(
            {"index.py": "def handler(e, c):\n    print(('x' * 99 + chr(10)) * 100_000)\n    return 1"}
        )
        assert (await function.call()).json == 1
        await _until(lambda: function.log[-1][1].startswith("the rest is omitted"))
        assert sum(len(text) + 1 for _, text in function.log[:-1]) <= 2048 + 1

    _on(program)


def test_the_package_is_the_one_that_was_uploaded_also_once_its_object_is_gone() -> None:
    """From a bucket, and as a copy of its version's code in another Function."""

    async def program(function: _Functions) -> None:
        objects = function.caller.sandbox.objects
        objects.put("packages", "a.zip", _zip({"app/index.py": "def handler(e, c): return 'bucket'"}))
        package = {"bucketName": "packages", "objectName": "a.zip"}
        version_id = await function.deploy({}, package=package, entrypoint="app.index.handler")
        objects.delete("packages", "a.zip")
        assert (await function.call()).json == "bucket"
        other = _Functions(function.caller, await function.caller.function("second"))
        await other.deploy({}, versionId=version_id, entrypoint="app.index.handler", environment={"A": "b"})
        assert (await other.call()).json == "bucket"

    _on(program, buckets=("packages",))


def test_a_sandbox_that_starts_again_runs_what_it_had(tmp_path: Path) -> None:
    ids: list[str] = []

    async def first(function: _Functions) -> None:
        ids.append(function.id)
        await function.deploy({"index.py": "def handler(e, c):\n    print('again')\n    return 'kept'"})

    async def second(caller: Caller) -> None:
        function = _Functions(caller, ids[0])
        assert (await function.call()).json == "kept"
        (shown,) = (await caller.ask("GET", f"/functions/v1/functions?folderId={FOLDER}")).json["functions"]
        assert shown["httpInvokeUrl"] == f"{caller.sandbox.invoke_url}/{function.id}"

    _on(first, state_dir=tmp_path / "state")
    serve(second, state_dir=tmp_path / "state")
    (line,) = (tmp_path / "state" / "handlers.ndjson").read_text("utf-8").splitlines()
    assert json.loads(line)["message"] == "again"
    assert (tmp_path / "state" / "handlers.ndjson").stat().st_mode & 0o777 == 0o600


def test_only_some_versions_stay_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "UNPACKED_MAX", 2)

    async def program(function: _Functions) -> None:
        script = {"runtime": "bash-2204", "entrypoint": "handler.sh"}
        for number in range(5):
            await function.deploy({"handler.sh": f"pwd >&2; echo {number}"}, **script)
            assert (await function.call()).json == number
        folders = [Path(text) for stream, text in function.log if stream == "stderr"]
        assert [folder.exists() for folder in folders] == [False, False, False, True, True]

    _on(program)


def test_calls_at_once_have_instances_of_their_own_within_the_zone(tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = (
        "import os, time\ndef handler(e, c):\n"
        f"    while not os.path.exists({str(go)!r}): time.sleep(0.01)\n    return os.getpid()"
    )

    async def program(function: _Functions) -> None:
        await function.deploy({"index.py": code})
        found: list[_Got] = []

        async def once() -> None:
            found.append(await function.call())

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(once)
            await _until(lambda: len(found) == 2)  # those that are refused
            go.touch()
        assert sorted(got.status for got in found) == [200, 200, 200, 429, 429]
        assert len({got.json for got in found if got.status == 200}) == 3

    _on(program, quotas=Quotas(instances_per_zone=3))


def test_async_calls_run_in_the_background_where_that_is_configured(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    code = {"index.py": f"def handler(e, c):\n    open({str(file)!r}, 'a').write('x')\n    raise ValueError(e)"}
    targets: Mapping[str, Any] = {"successTarget": {"emptyTarget": {}}, "failureTarget": {"emptyTarget": {}}}

    async def program(function: _Functions) -> None:
        await function.deploy(code)
        answer = await function.call(query="?integration=async")
        assert (answer.status, "asyncInvocationConfig" in answer.body.decode()) == (400, True)
        await function.deploy(code, asyncInvocationConfig={"retriesCount": "2", **targets})
        answer = await function.call(query="?integration=async")
        assert (answer.status, answer.body) == (202, b"")
        await _until(lambda: file.exists() and file.read_text("utf-8") == "xxx")

    _on(program)


@pytest.mark.parametrize("token", ["", "t1.bad.token"])
def test_a_call_without_a_token_that_holds_is_401(token: str) -> None:
    async def program(function: _Functions) -> None:
        await function.deploy({"index.py": "def handler(e, c): return {'statusCode': 200, 'body': str(e['headers'])}"})
        answer = await function.call(token=token)
        assert answer.status == 401
        answer = await function.call(query="?tag=$latest", method="GET")
        assert (answer.status, "t1." in answer.body.decode()) == (200, False)

    _on(program)


def test_an_expired_token_is_401() -> None:
    async def program(function: _Functions) -> None:
        await function.deploy({"index.py": "def handler(e, c): return 1"})
        token, _ = function.caller.sandbox.tokens.issue("ajetest", lifetime_s=-1.0)
        answer = await function.call(token=token)
        assert (answer.status, "expired" in answer.json["errorMessage"]) == (401, True)

    _on(program)


def test_calls_are_recorded_and_what_a_killed_sandbox_had_unpacked_goes(tmp_path: Path) -> None:
    left = tmp_path / "state" / "unpacked" / "d4eold"
    left.mkdir(parents=True)

    async def program(function: _Functions) -> None:
        assert not left.exists()
        await function.deploy({"index.py": "def handler(e, c): return 1"})
        await function.call(b"[1]", "?integration=raw&tag=$latest")
        line = json.loads((tmp_path / "calls").read_text("utf-8").splitlines()[-1])
        assert (line["name"], line["method"], line["body"]) == ("invoke", "POST", "[1]")
        assert line["query"] == {"integration": "raw", "tag": "$latest"}

    _on(program, state_dir=tmp_path / "state", record=tmp_path / "calls")
    assert not left.parent.exists()


def test_more_than_the_cloud_takes_is_413() -> None:
    async def program(function: _Functions) -> None:
        await function.deploy({"index.py": "def handler(e, c): return len(e)"})
        assert (await function.call(b"x" * 3_670_016)).json == 3_670_016
        assert (await function.call(b"x" * 3_670_017)).status == 413

    _on(program)


def test_no_handler_outlives_a_sandbox_that_is_killed(tmp_path: Path) -> None:
    ids: list[str] = []

    async def deploy(function: _Functions) -> None:
        ids.append(function.id)
        await function.deploy({"index.py": "import os\ndef handler(e, c): return os.getpid()"})

    _on(deploy, state_dir=tmp_path)
    with process(tmp_path) as (sandbox, url):
        pid = ask(f"{url}/_invoke/{ids[0]}?integration=raw", tmp_path, "POST", {})
        assert not _is_gone(pid)
        sandbox.kill()
        sandbox.wait()
        anyio.run(_until, lambda: _is_gone(pid))
