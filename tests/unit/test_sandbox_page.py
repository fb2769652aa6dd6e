"""docs/sandbox.md: its tables are those of the seeds, and its example is loaded and called."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.model import LATEST
from orchestrator.sandbox.http import seeds
from orchestrator.sandbox.memory.seeded import SENT_BACK
from orchestrator.sandbox.processes import child, handlers_log, languages, packages
from tests.contract.calling import FUNCTIONS, VERSIONS, Caller, serve
from tests.prose import ROOT

PAGE = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\| [^|]+ \|$", re.MULTILINE)


def test_the_lists_have_the_keys_that_seeds_may_have() -> None:
    named = {
        name: tuple(frozenset(re.findall(r"`(\w+)`", keys)) for keys in cells) for name, *cells in ROW.findall(PAGE)
    }
    assert named == dict(seeds._KEYS)


def test_what_createversion_does_with_unknown_fields() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \| .+ \| .*\|$", PAGE.partition("| `sent_back` |")[2], re.MULTILINE)[:3]) == (
        SENT_BACK
    )


def test_the_figures_are_those_of_the_code() -> None:
    assert f"The {packages.UNPACKED_MAX} versions that were called last" in PAGE
    assert f"(the version's memory and {languages._RUNTIME_BYTES >> 20} MB)" in PAGE
    assert f"A file has at most {languages._FILE_MAX_KB >> 10} MB" in PAGE
    kept = f"{child.LOGGED_MAX_BYTES >> 10} KB of each call, {2 * handlers_log._FILE_MAX_BYTES >> 20} MB in total"
    assert kept in PAGE


def test_the_example_is_loaded_and_called(tmp_path: Path) -> None:
    found = re.search(r'```toml title="seed.toml"\n(.*?)```', PAGE, re.DOTALL)
    assert found is not None
    path = tmp_path / "seed.toml"
    path.write_text(found[1], "utf-8")
    read = seeds.read_seeds([path])

    async def main(caller: Caller) -> None:
        (function,) = (await caller.ask("GET", f"{FUNCTIONS}?folderId=b1gtraining")).json["functions"]
        stable, latest = (await caller.ask("GET", f"{VERSIONS}?functionId={function['id']}")).json["versions"]
        assert (stable["runtime"], stable["tags"], latest["tags"]) == ("python311", ["stable"], [LATEST])
        operations = (await caller.ask("GET", f"{FUNCTIONS}/{function['id']}/operations")).json["operations"]
        assert operations[1]["createdBy"] == "ajealice000000000000"
        call = f"/_invoke/{function['id']}?integration=raw"
        answer = await caller.ask("POST", f"{call}&tag=stable", {}, {"Authorization": "Bearer alice"})
        assert (answer.status, answer.json) == (200, {"ready": True})
        assert (await caller.ask("POST", call, {}, {"Authorization": ""})).status == 501

    serve(main, seeds=read.seeds, functions=tuple(read.functions), tokens=read.tokens)
