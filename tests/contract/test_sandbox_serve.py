"""The sandbox as a process: how it announces itself, how it ends, and that a kill loses nothing that was answered."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import anyio
import pytest

from orchestrator.errors import StartError
from orchestrator.sandbox.http.seeds import read_seeds
from orchestrator.sandbox.http.serve import run_server
from orchestrator.sandbox.http.server import Options, open_sandbox
from tests.clouds import FOLDER

PROGRAM = """
import sys
from pathlib import Path
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.http.serve import run_server
from orchestrator.sandbox.http.server import Options, open_sandbox

def announce(url):
    print(url, flush=True)

options = Options(state_dir=Path(sys.argv[1]), durations=Distribution.parse("fixed:0.01"))
run_server(options, announce, until_stdin_closes=sys.argv[2] == "stdin")
print("ended", flush=True)
"""


@contextmanager
def process(folder: Path, until: str = "signal") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a sandbox process. Yields it with its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), until], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def ask(url: str, folder: Path, method: str = "GET", sent: Any = None) -> Any:
    """Call it with a token of the metadata service."""
    base = "/".join(url.split("/")[:3])
    metadata = Request(
        f"{base}/computeMetadata/v1/instance/service-accounts/default/token", headers={"Metadata-Flavor": "Google"}
    )
    with urlopen(metadata) as response:
        token = json.load(response)["access_token"]
    data = None if sent is None else json.dumps(sent).encode()
    request = Request(url, data=data, method=method, headers={"Authorization": f"Bearer {token}"})
    with urlopen(request) as response:
        assert (folder / "sandbox.db").exists()
        return json.load(response)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (child, url):
        assert url.startswith("http://127.0.0.1:")
        child.send_signal(number)
        assert child.communicate(timeout=60)[0] == "ended\n"
        assert child.returncode == 0


def test_it_ends_when_its_standard_input_closes(tmp_path: Path) -> None:
    with process(tmp_path, "stdin") as (child, url):
        ask(f"{url}/functions/v1/runtimes", tmp_path)
        assert child.communicate(timeout=60)[0] == "ended\n"
        assert child.returncode == 0


def test_what_was_answered_outlives_a_kill(tmp_path: Path) -> None:
    functions = "/functions/v1/functions"
    with process(tmp_path) as (child, url):
        made = [ask(url + functions, tmp_path, "POST", {"folderId": FOLDER, "name": f"name-{n}"}) for n in range(10)]
        child.kill()
    with process(tmp_path) as (_, url):
        found = ask(f"{url}{functions}?folderId={FOLDER}", tmp_path)["functions"]
        assert [function["id"] for function in found] == [operation["metadata"]["functionId"] for operation in made]
        operation = ask(f"{url}/operations/{made[-1]['id']}", tmp_path)
        assert operation["metadata"] == made[-1]["metadata"]


def test_a_state_folder_belongs_to_one_sandbox_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.sandbox.http.state_file._WAIT_S", 0.0)
    with process(tmp_path), pytest.raises(StartError, match=r"sandbox\.db cannot be used: database is locked"):
        run_server(Options(state_dir=tmp_path), lambda _url: None)


def test_seeds_are_read_from_the_state_folder(tmp_path: Path) -> None:
    secret = {"folder_id": FOLDER, "name": "token", "id": "e6q1", "version_id": "e6qv1", "keys": ["token"]}
    account = {"folder_id": FOLDER, "name": "runner", "id": "aje1"}
    (tmp_path / "seeds.json").write_text(json.dumps({"secrets": [secret], "service_accounts": [account]}), "utf-8")
    seeds = read_seeds([tmp_path / "seeds.json"]).seeds
    assert seeds.secrets["e6q1"]["currentVersion"]["id"] == "e6qv1"
    assert seeds.service_accounts["aje1"]["name"] == "runner"


@pytest.mark.parametrize("text", ["{", "[]", '{"secrets": [{"id": "e6q1"}]}', '{"secrets": 7}'])
def test_odd_seeds_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "seeds.json").write_text(text, "utf-8")
    with pytest.raises(StartError, match=r"seeds\.json cannot be used"):
        read_seeds([tmp_path / "seeds.json"])


SEEDS = """
[[folders]]
id = "b1gother000000000000"
cloud_id = "b1cother000000000000"
[[service_accounts]]
folder_id = "b1gother000000000000"
name = "runner"
id = "aje1"
[[functions]]
folder_id = "b1gother000000000000"
name = "old-one"
labels = { team = "a" }
versions = [{ runtime = "python39" }, { entrypoint = "main.run", description = "by hand" }]
"""


def test_a_seed_file_makes_folders_accounts_and_functions_with_versions_once(tmp_path: Path) -> None:
    path = tmp_path / "seeds.toml"
    path.write_text(f"\ufeff{SEEDS}", "utf-8")
    found = read_seeds([path])
    assert found.clouds == {"b1gother000000000000": "b1cother000000000000"}
    assert found.seeds.service_accounts["aje1"]["name"] == "runner"

    async def serve() -> None:
        options = Options(state_dir=tmp_path / "state", functions=tuple(found.functions))
        async with open_sandbox(options) as sandbox:
            folder = {"folderId": "b1gother000000000000"}
            (function,) = sandbox.cloud.functions.list(folder)["functions"]
            versions = sandbox.cloud.versions.list(folder)["versions"]
        assert (function["name"], function["labels"]) == ("old-one", {"team": "a"})
        assert {one["runtime"]: one["status"] for one in versions} == {"python39": "ACTIVE", "python312": "ACTIVE"}

    anyio.run(serve)
    anyio.run(serve)  # the second one finds them stored


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[folder]]\nid = 1", '"folder" is not a known list of tables'),
        ('[[functions]]\nname = "f"', "functions, 1: folder_id is missing"),
        ('[[folders]]\nid = "a"\ncloud_id = "b"\nclod = 1', 'folders, 1: unknown key "clod"; known: cloud_id, id'),
    ],
)
def test_a_mistake_in_a_seed_file_is_reported_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "seeds.toml").write_text(text, "utf-8")
    with pytest.raises(StartError, match=re.escape(message)):
        read_seeds([tmp_path / "seeds.toml"])
