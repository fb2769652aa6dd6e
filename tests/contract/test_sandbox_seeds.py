"""What `--seed FILE` defines over HTTP: accounts, old versions, and later states."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.errors import StartError
from orchestrator.sandbox.http.seeds import read_seeds
from orchestrator.sandbox.http.server import Options, open_sandbox
from orchestrator.sandbox.memory.faults import Faults, Rates
from tests.clouds import FOLDER, body
from tests.contract.calling import FUNCTIONS, VERSIONS, Caller, serve

PEOPLE = f"""
[[tokens]]
token = "petya"
subject = "ajepetya000000000000"
[[tokens]]
token = "vasya"
subject = "ajevasya000000000000"
[[functions]]
folder_id = "{FOLDER}"
name = "old-one"
"""
SEEDS = f"""
[cloud]
obsolete_copies = true
[[runtimes]]
name = "python37"
[[runtimes]]
name = "python38"
retired_at = 2999-01-01T00:00:00Z
[[fields]]
name = "isolation"
value = "vm"
[[fields]]
name = "gpu"
sent_back = "refused"
[[service_accounts]]
folder_id = "{FOLDER}"
name = "runner"
id = "aje1"
removed = true
[[secrets]]
folder_id = "{FOLDER}"
name = "token"
id = "e6q1"
version_id = "e6qv1"
[[secrets]]
folder_id = "{FOLDER}"
name = "token"
id = "e6q1"
version_id = "e6qv0"
status = "DESTROYED"
[[functions]]
folder_id = "{FOLDER}"
name = "old-one"
[[functions.versions]]
status = "GONE"
[[functions.versions]]
status = "OBSOLETE"
created_by = "ajevasya000000000000"
[[functions.versions]]
runtime = "python37"
serviceAccountId = "aje1"
gpu = "one"
tag = ["stable"]
secrets = [{{ id = "e6q1", versionId = "e6qv0", key = "value", environmentVariable = "TOKEN" }}]
[[functions.versions]]
description = "the newest"
"""


def seeded(tmp_path: Path, text: str = SEEDS, **more: Any) -> dict[str, Any]:
    """Read seeds. Returns the options of a sandbox that has them."""
    path = tmp_path / "seeds.toml"
    path.write_text(text, "utf-8")
    found = read_seeds([path])
    return {
        "seeds": found.seeds, "functions": tuple(found.functions), "aged": found.aged, "tokens": found.tokens, **more,
    }  # fmt: skip


def test_old_versions_are_there_though_nobody_could_make_them_now(tmp_path: Path) -> None:
    async def main(caller: Caller) -> None:
        runtimes = (await caller.ask("GET", "/functions/v1/runtimes")).json["runtimes"]
        assert ("python37" in runtimes, "python38" in runtimes) == (False, True)
        (function,) = (await caller.ask("GET", f"{FUNCTIONS}?folderId={FOLDER}")).json["functions"]
        versions = (await caller.ask("GET", f"{VERSIONS}?functionId={function['id']}")).json["versions"]
        assert [version["status"] for version in versions] == ["OBSOLETE", "ACTIVE", "ACTIVE"]
        assert [version["isolation"] for version in versions] == ["vm"] * 3
        obsolete, stable, newest = versions
        assert (stable["runtime"], stable["gpu"], stable["tags"]) == ("python37", "one", ["stable"])
        assert (newest["description"], "gpu" in newest, newest["tags"]) == ("the newest", False, ["$latest"])
        listed = (await caller.ask("GET", f"{FUNCTIONS}/{function['id']}/operations")).json["operations"]
        assert [one["createdBy"] for one in listed[1:]].count("ajevasya000000000000") == 1
        assert len(listed) == 1 + 4, "the one that is gone was made, too"
        sent = body(function["id"], versionId=obsolete["id"], gpu="one")
        assert (await caller.ask("POST", VERSIONS, sent)).status == 400
        assert (await caller.ask("POST", VERSIONS, sent | {"gpu": None})).status == 400, "an unknown name, though null"
        del sent["gpu"]
        assert (await caller.ask("POST", VERSIONS, sent)).status == 200
        for fields in ({"runtime": "python37"}, {"serviceAccountId": "aje1"}):
            assert (await caller.ask("POST", VERSIONS, sent | fields)).status == 400

    serve(main, **seeded(tmp_path))


def test_bad_weather_and_rates_are_no_part_of_the_past(tmp_path: Path) -> None:
    async def main(caller: Caller) -> None:
        assert len(caller.sandbox.cloud.versions.list({"folderId": FOLDER})["versions"]) == 3

    serve(main, **seeded(tmp_path, faults=Faults(Rates(failed=1.0, hidden=1.0, hidden_s=60.0))))


def test_what_a_call_begins_is_created_by_whose_token_it_is(tmp_path: Path) -> None:
    async def main(caller: Caller) -> None:
        (function,) = (await caller.ask("GET", f"{FUNCTIONS}?folderId={FOLDER}")).json["functions"]
        people = ["ajepetya000000000000", "ajevasya000000000000", "ajetest"]
        versions = []
        for token in ("petya", "vasya", caller.token):
            answer = await caller.ask("POST", VERSIONS, body(function["id"]), {"Authorization": f"Bearer {token}"})
            await caller.finished(answer.json)
            versions.append(answer.json["metadata"]["functionVersionId"])
            assert (await caller.ask("GET", f"/operations/{answer.json['id']}")).json["createdBy"] == people.pop(0)
        path = f"{FUNCTIONS}/{function['id']}/operations"
        found = (await caller.ask("GET", f"{path}?filter=created_by%3D%22ajepetya000000000000%22")).json["operations"]
        assert [one["metadata"]["functionVersionId"] for one in found] == versions[:1]
        tagging = f"{VERSIONS}/{versions[0]}:setTag"
        answer = await caller.ask("POST", tagging, {"tag": "hot"}, {"Authorization": "Bearer vasya"})
        assert answer.json["createdBy"] == "ajevasya000000000000"
        assert (await caller.ask("GET", path, headers={"Authorization": "Bearer kolya"})).status == 401
        caller.sandbox.tokens.revoked.add("vasya")
        assert (await caller.ask("GET", path, headers={"Authorization": "Bearer vasya"})).status == 401

    serve(main, **seeded(tmp_path, PEOPLE))


def test_versions_that_are_there_grow_old_when_it_starts_again(tmp_path: Path) -> None:
    made: list[str] = []

    async def first(caller: Caller) -> None:
        function_id = await caller.function()
        for _ in range(3):
            answer = await caller.ask("POST", VERSIONS, body(function_id))
            made.append((await caller.finished(answer.json))["response"]["id"])

    state = tmp_path / "state"
    serve(first, state_dir=state)
    old, gone, latest = made
    rows = {old: "OBSOLETE", gone: "GONE"}
    text = "".join(f'[[versions]]\nid = "{one}"\nstatus = "{status}"\n' for one, status in rows.items())

    async def second(caller: Caller) -> None:
        statuses = [(await caller.ask("GET", f"{VERSIONS}/{one}")).json.get("status") for one in made]
        assert statuses == ["OBSOLETE", None, "ACTIVE"]

    for _ in range(2):  # deleting again changes nothing
        serve(second, **seeded(tmp_path, text, state_dir=state))
    for one, words in ((latest, "has the tags $latest"), ("d4enone", "there is no version d4enone")):
        options = seeded(tmp_path, f'[[versions]]\nid = "{one}"\nstatus = "OBSOLETE"\n', state_dir=state)
        with pytest.raises(StartError, match=re.escape(words)):
            serve(second, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[cloud]]\nobsolete_copies = true", '"cloud" is not a known list of tables'),
        ('[cloud]\nobsolete_copies = "yes"', "cloud: obsolete_copies must be true or false"),
        ("[cloud]\nobsolete = true", 'cloud: unknown key "obsolete"; known: obsolete_copies'),
        (
            '[[runtimes]]\nname = "a"\nretired_at = 2027-01-01T00:00:00',
            "runtimes, 1: retired_at must be a time with its zone",
        ),
        ('[[runtimes]]\nname = "a"\nretired_at = "soon"', "runtimes, 1: retired_at must be a time with its zone"),
        ("[[runtimes]]\nname = 7", "runtimes, 1: name must be a string"),
        ('[[fields]]\nname = "memory"\n[[fields]]\nname = "environment"', 'fields, 2: "environment" is a field'),
        ('[[fields]]\nname = "status"', 'fields, 1: "status" is a field of Versions already'),
        ('[[fields]]\nname = "a"\nsent_back = "kept"', '"kept" is not a treatment of a field: accepted, ig'),
        ('[[tokens]]\ntoken = "a"', "tokens, 1: subject is missing"),
        ('[[versions]]\nid = "d4e"\nstatus = "OLD"', 'versions, 1: "OLD" is not a later status of a version: OBSOLETE'),
        (
            '[[secrets]]\nfolder_id = "f"\nname = "n"\nid = "e"\nversion_id = "v"\nstatus = "GONE"',
            'secrets, 1: "GONE" is not a status of a secret\'s version: ACTIVE, SCHEDULED_FOR_DESTRUCTION, DESTROYED',
        ),
        (
            '[[service_accounts]]\nfolder_id = "f"\nname = "n"\nid = "a"\nremoved = 1',
            "service_accounts, 1: removed must be true or false",
        ),
    ],
)
def test_a_mistake_in_what_became_of_things_is_reported_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StartError, match=re.escape(message)):
        seeded(tmp_path, text)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ('{ status = "OBSOLETE" }', "has the tags $latest: only a version without tags becomes old"),
        ('{ status = "OLD" }, {}', '"OLD" is not a later status of a version: OBSOLETE, GONE'),
        ('{ runtime = "python39", entrypoint = "handler" }', "Entrypoint"),
        ('{ colour = "red" }', "colour: unknown field"),
    ],
)
def test_a_version_of_the_seeds_that_cannot_be_is_reported_with_its_function(
    tmp_path: Path, version: str, message: str
) -> None:
    row = f'[[functions]]\nfolder_id = "{FOLDER}"\nname = "old-one"\nversions = [{version}]'

    async def start() -> None:
        async with open_sandbox(Options(**seeded(tmp_path, row))):
            pass

    with pytest.raises(StartError, match=rf"function old-one of the seeds: .*{re.escape(message)}"):
        anyio.run(start)
