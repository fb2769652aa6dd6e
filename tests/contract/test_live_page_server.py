"""The live page's server: whom it admits, and how it reports a run that is being written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.errors import StartError
from orchestrator.journal.store import open_store
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.redaction.safe import Safe
from orchestrator.ui.server import Act
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, started, whole_run
from tests.ui import Page, Writer, served

Play = Callable[[aiohttp.ClientSession, Page, Path], Awaitable[None]]
EVENTS = f"api/runs/{RUN_ID}/events"


def played(tmp_path: Path, play: Play) -> None:
    async def main() -> None:
        async with served(tmp_path / "state") as page, aiohttp.ClientSession(base_url=page.address) as session:
            await play(session, page, tmp_path / "state")

    asyncio.run(main())


class Stream:
    """Server-sent events, one after the other."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.id = ""

    async def next(self) -> tuple[str, Any]:
        found: dict[str, str] = {}
        while True:
            line = (await asyncio.wait_for(self.answer.content.readline(), 60)).decode()
            assert line, "the stream has ended"
            name, _, value = line.rstrip("\n").partition(": ")
            if line != "\n":
                found[name] = value
            elif "data" in found:
                self.id = found.get("id", self.id)
                return found["event"], json.loads(found["data"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer ünïcode"}, 401),
        ({"Authorization": "Basic {token}"}, 401),
        ({"Authorization": "{token}"}, 401),
        ({"Cookie": "token={token}"}, 401),
        ({"Authorization": "Bearer {token}", "Host": "evil.example"}, 403),
        ({"Authorization": "Bearer {token}", "Host": "127.0.0.1"}, 403),
        ({"Authorization": "Bearer {token}", "Origin": "http://evil.example"}, 403),
        ({"Authorization": "Bearer {token}", "Origin": "null"}, 403),
        ({"Authorization": "Bearer {token}", "Origin": "{own}"}, 200),
        ({"Authorization": "Bearer {token}"}, 200),
    ],
)
def test_data_is_given_to_the_page_alone(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async def play(session: aiohttp.ClientSession, page: Page, _: Path) -> None:
        own = page.address.rstrip("/")
        given = {name: value.format(token=page.token, own=own) for name, value in headers.items()}
        for path in ("api/runs", EVENTS, "api/nothing"):
            async with session.get(path, headers=given) as answer:
                assert answer.status == (404 if (status, path) == (200, "api/nothing") else status), path
                assert "Access-Control-Allow-Origin" not in answer.headers
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        async with session.get(f"api/runs?token={page.token}") as answer:
            assert answer.status == 401

    played(tmp_path, play)


def test_the_page_itself_is_given_under_our_name_and_nothing_else_is(tmp_path: Path) -> None:
    async def play(session: aiohttp.ClientSession, page: Page, _: Path) -> None:
        async with session.get("") as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (200, "text/html")
        scripts = [part.split('"')[0] for part in text.replace('href="', 'src="').split('src="')[1:]]
        assert len(scripts) > 10
        for name in scripts:
            async with session.get(name) as answer:
                assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), name
        assert "<script>" not in text
        assert "style=" not in text
        for path in ("page.py", "../server.py", "%2e%2e/server.py", "uplot/LICENSE"):
            async with session.get(path) as answer:
                assert answer.status == 404, path
        async with session.get("", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403
        async with session.post("api/runs", headers=page.headers) as answer:
            assert answer.status == 403

    played(tmp_path, play)


class Noted:
    """Records actions."""

    def __init__(self) -> None:
        self.begun: list[Act] = []

    def begin(self, act: Act) -> Safe:
        self.begun.append(act)
        return self.started()

    def started(self) -> Safe:
        return Outlet(Redactor()).json({"allowed": True, "actions": []})


ACT = {"verb": "resume", "run": RUN_ID, "environment": "prod"}
OURS = {"Authorization": "Bearer {token}", "Origin": "{own}", "Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("change", "body", "status"),
    [
        ({}, json.dumps(ACT), 200),
        ({"Authorization": None}, json.dumps(ACT), 401),
        ({"Origin": None}, json.dumps(ACT), 403),
        ({"Origin": "http://evil.example"}, json.dumps(ACT), 403),
        ({"Origin": "null"}, json.dumps(ACT), 403),
        ({"Host": "evil.example"}, json.dumps(ACT), 403),
        ({"Content-Type": "text/plain"}, json.dumps(ACT), 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, json.dumps(ACT), 415),
        ({}, "{", 400),
        ({}, "[]", 400),
        ({}, '{"verb": "resume"}', 400),
        ({}, " " * 70_000, 413),
    ],
)
def test_only_the_page_acts(tmp_path: Path, change: dict[str, str | None], body: str, status: int) -> None:
    noted = Noted()

    async def main() -> None:
        for actions in (noted, None):
            async with served(tmp_path / "state", actions=actions) as page, aiohttp.ClientSession() as session:
                given = {"token": page.token, "own": page.address.rstrip("/")}
                headers = {name: text.format(**given) for name, text in (OURS | change).items() if text is not None}
                address = f"{page.address}api/actions"
                async with session.post(address, data=body, headers=headers) as answer:
                    desired = status if actions or status == 401 else 403  # a read-only page
                    assert answer.status == desired
                    assert ("error" in await answer.json()) is (desired != 200)

    asyncio.run(main())
    assert noted.begun == ([Act("resume", RUN_ID, "prod")] if status == 200 else [])


def test_a_run_is_reported_as_it_grows_and_only_what_has_changed(tmp_path: Path) -> None:
    async def play(session: aiohttp.ClientSession, page: Page, state_dir: Path) -> None:
        writer = Writer(state_dir)
        writer.write([started(units=2), *deployment("one")])
        async with session.get(EVENTS, headers=page.headers) as answer:
            stream = Stream(answer)
            event, reported = await stream.next()
            assert (event, reported["since"], reported["run"]) == ("run", 0, RUN_ID)
            assert [row[1][0] for row in reported["rows"]] == ["one"]
            before = stream.id
            writer.write(deployment("two"))
            event, reported = await stream.next()
            assert (event, [(number, row[0]) for number, row in reported["rows"]]) == ("run", [(1, "two")])
            assert "run" not in reported
        writer.write([ended()])
        async with session.get(EVENTS, headers={**page.headers, "Last-Event-ID": before}) as answer:
            stream, parts = Stream(answer), dict[str, Any]()
            while parts.get("state") != "done":
                parts |= (await stream.next())[1]
            assert parts["outcomes"] == {"deployed": 2}
        writer.store.close()

    played(tmp_path, play)


def test_who_comes_back_is_reported_what_they_have_missed(tmp_path: Path) -> None:
    async def play(session: aiohttp.ClientSession, page: Page, state_dir: Path) -> None:
        writer = Writer(state_dir)
        writer.write([started(units=2), *deployment("one")])
        async with session.get(EVENTS, headers=page.headers) as stays:
            other = Stream(stays)
            await other.next()
            writer.write(deployment("two"))
            await other.next()
            for known, since, rows in ((other.id.split(".")[0] + ".1", 1, 1), ("elsewhere.1", 0, 2), ("x", 0, 2)):
                async with session.get(EVENTS, headers={**page.headers, "Last-Event-ID": known}) as answer:
                    _, reported = await Stream(answer).next()
                    assert (reported["since"], len(reported["rows"])) == (since, rows), known
        writer.store.close()

    played(tmp_path, play)


def test_a_run_that_is_pruned_meanwhile_is_said_to_be_gone(tmp_path: Path) -> None:
    async def play(session: aiohttp.ClientSession, page: Page, state_dir: Path) -> None:
        writer = Writer(state_dir)
        writer.write([started(at=STARTED_AT - 1e9, units=1), *deployment("one", outcome=failed("<b>no</b>")), ended(1)])
        async with session.get(EVENTS, headers=page.headers) as answer:
            stream = Stream(answer)
            await stream.next()
            for number in range(200):
                writer.write(whole_run("one", run_id=f"later-{number}"))
            assert writer.store.prune(STARTED_AT) == (RUN_ID,)
            event, reported = await stream.next()
            assert (event, reported["error"]) == ("gone", f"run {RUN_ID} is no longer in the journal")
        async with session.get(EVENTS, headers=page.headers) as answer:
            assert (await Stream(answer).next())[0] == "gone"
        writer.store.close()

    played(tmp_path, play)


def test_a_folder_without_a_journal_has_no_runs_and_stays_as_it_is(tmp_path: Path) -> None:
    async def play(session: aiohttp.ClientSession, page: Page, state_dir: Path) -> None:
        async with session.get("api/runs", headers=page.headers) as answer:
            assert (await answer.json())["runs"] == []
        async with session.get("api/runs/last/events", headers=page.headers) as answer:
            event, reported = await Stream(answer).next()
            assert (event, reported["error"]) == ("gone", f"no runs yet: {state_dir} has no journal with a run")
        assert not await asyncio.to_thread(state_dir.exists)
        await asyncio.to_thread(state_dir.write_text, "a file")
        async with session.get("api/runs", headers=page.headers) as answer:
            assert answer.status == 422
            assert "is a file, not a folder" in (await answer.json())["error"]

    played(tmp_path, play)


def test_a_stream_without_news_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a page knows that it is still connected, hours after a run has ended."""
    monkeypatch.setattr("orchestrator.ui.server._QUIET_S", 0.0)
    monkeypatch.setattr("orchestrator.ui.server.INTERVAL_S", 0.01)

    async def play(session: aiohttp.ClientSession, page: Page, state_dir: Path) -> None:
        with open_store(state_dir) as store:
            store.keep(whole_run("one"))
        async with session.get(EVENTS, headers=page.headers) as answer:
            stream = Stream(answer)
            assert (await stream.next())[0] == "run"
            for _ in range(3):
                assert await asyncio.wait_for(answer.content.readline(), 60) == b": still here\n"
                assert await asyncio.wait_for(answer.content.readline(), 60) == b"\n"

    played(tmp_path, play)


def test_it_ends_while_pages_look(tmp_path: Path) -> None:
    async def main() -> None:
        with open_store(tmp_path / "state") as store:
            store.keep(whole_run("one"))
        async with aiohttp.ClientSession() as session:
            async with served(tmp_path / "state") as page:
                answer = await session.get(page.address + EVENTS, headers=page.headers)
                await Stream(answer).next()
            assert await answer.content.read() == b""

    asyncio.run(main())


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path) as page:
            port = int(page.address.rstrip("/").rpartition(":")[2])
            with pytest.raises(StartError, match="the port is in use"):
                async with served(tmp_path, port):
                    pass

    asyncio.run(main())
