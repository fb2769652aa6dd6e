"""The live page in Chromium: a run from its start to its end, the list of runs, and texts that stay texts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from orchestrator.app.commands.serving.ui import door
from orchestrator.journal.events import Event
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.ui.server import Answered
from tests.browser.chrome import Chrome
from tests.browser.test_report_page import READY, ROWS
from tests.runs import RUN_ID, deployment, ended, failed, started
from tests.ui import Page, Writer, served
from tests.unit.report.test_page import ATTEMPTS


class Hostile:
    """Other commands, of functions whose every text tries to act."""

    def __init__(self) -> None:
        self.outlet = Outlet(Redactor())
        self.text = " ".join(ATTEMPTS)
        self.planned: list[Sequence[str]] = []

    def told(self, document: Mapping[str, Any]) -> Answered:
        return Answered(200, self.outlet.json(document))

    async def why(self, function: str) -> Answered:
        names = "key", "state", "value", "live", "from"
        rows = [dict.fromkeys(names, self.text) | {"place": {"file": self.text, "line": 3}}]
        told = "verb", "by", "action", "reason", "outcome", "why", "advice", "version_id"
        run: dict[str, Any] = dict.fromkeys(told, self.text)
        run.update(run_id=RUN_ID, started_at="2026-11-28T03:00:00+00:00", elsewhere=False)
        plan = dict.fromkeys(("action", "reason", "advice", "detail", "then"), self.text) | {"warnings": [self.text]}
        return self.told({
            "function": function, "function_id": self.text, "folder_id": self.text, "place": None, "now": None,
            "next": plan, "settings": rows, "waits": [], "runs": [run], "unknown": [self.text],
        })  # fmt: skip

    async def plan(self, patterns: Sequence[str]) -> Answered:
        self.planned.append(patterns)
        unit: dict[str, Any] = dict.fromkeys(("function", "action", "reason", "detail", "advice"), self.text)
        unit["warnings"] = []
        return self.told({"units": [unit], "counts": {"blocked": 1}, "warnings": [self.text]})

    async def jobs(self) -> Answered:
        names = "job", "run", "schedule", "timezone", "place", "environment"
        job = dict.fromkeys(names, self.text) | {"next_due": "2026-11-29T03:00+00:00", "open_due": None}
        return self.told({"jobs": [job]})

    async def board(self, job: str) -> Answered:
        return Answered(422, self.outlet.json({"error": self.text, "advice": job, "detail": self.text}))


def in_browser(tmp_path: Path, play: Callable[[Chrome, Page, Writer], Awaitable[None]], verbs: Any = None) -> None:
    async def main() -> None:
        state_dir = tmp_path / "state"
        async with served(state_dir, verbs=verbs) as page, Chrome(tmp_path / "profile") as chrome:
            writer = Writer(state_dir)
            await chrome.look()
            await play(chrome, page, writer)
            writer.store.close()
            assert chrome.errors == []
            assert all(url.startswith(page.address) for url in chrome.asked)

    asyncio.run(main())


def test_a_run_is_seen_from_its_start_to_its_end(tmp_path: Path) -> None:
    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        await chrome.open(page.url, READY)
        assert "No runs yet" in await chrome.js("document.body.innerText")
        assert page.token not in await chrome.js("location.href")
        writer.write([started(units=3), *deployment("one")])
        await chrome.until(f"document.querySelector('a[href=\"#/run/{RUN_ID}\"]')")
        assert await chrome.mistakes() == []
        await chrome.click(f"a[href='#/run/{RUN_ID}']")
        await chrome.until(f"{READY} && document.querySelectorAll('{ROWS}').length === 1")
        writer.write(deployment("two"))
        await chrome.until(f"document.querySelectorAll('{ROWS}').length === 2")
        writer.write([*deployment("three", outcome=failed("no <b>account</b>")), ended(1)])
        await chrome.until(f"document.querySelectorAll('{ROWS}').length === 3")
        await chrome.until("document.documentElement.dataset.over === 'yes'")
        text = await chrome.js("document.body.innerText")
        assert "no <b>account</b>" in text
        assert await chrome.js("document.title") == f"Run {RUN_ID}: failed"
        assert await chrome.mistakes() == []
        await chrome.js("location.reload()")
        await chrome.until(f"document.documentElement && {READY} && document.querySelectorAll('{ROWS}').length === 3")

    in_browser(tmp_path, play)


def test_texts_of_others_stay_texts(tmp_path: Path) -> None:
    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        events: list[Event] = [started(units=len(ATTEMPTS))]
        for attempt in ATTEMPTS:
            events += deployment(f"fn{attempt}", outcome=failed(attempt))
        writer.write([*events, ended(1)])
        await chrome.open(page.url, READY)
        await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
        await chrome.until(f"{READY} && document.querySelectorAll('{ROWS}').length > 5")
        await chrome.js("document.querySelector('.rows').focus()")
        for _ in ATTEMPTS:
            await chrome.press("Enter")
            await chrome.press("Escape")
            await chrome.press("ArrowDown")
        assert await chrome.js("window.had === undefined")
        assert await chrome.js("document.querySelectorAll('img, body script').length") == 0

    in_browser(tmp_path, play)


def test_functions_plans_and_jobs_are_told_as_text(tmp_path: Path) -> None:
    verbs = Hostile()

    async def see(chrome: Chrome, page: str, words: str) -> None:
        await chrome.js(f"location.hash = '{page}'")
        await chrome.until(f"{READY} && document.querySelector('h1').textContent.startsWith('{words}')")
        assert await chrome.mistakes() == [], page

    async def play(chrome: Chrome, page: Page, _: Writer) -> None:
        await chrome.open(page.url, READY)
        await see(chrome, "#/why", "One function")
        await chrome.js("document.getElementById('function').value = 'a/<b>'")
        await chrome.click(".form button")
        await see(chrome, "#/why/a%2F%3Cb%3E", "Function a/<b>")
        await see(chrome, "#/plan", "What a deploy")
        await chrome.js("document.getElementById('functions').value = 'auth-* label:team=web'")
        await chrome.click(".form button")
        await chrome.until(f"{READY} && document.querySelector('#units')")
        assert verbs.planned == [["auth-*", "label:team=web"]]
        await see(chrome, "#/jobs", "Jobs")
        await see(chrome, "#/jobs/nightly", "Job nightly")
        assert "nightly" in await chrome.js("document.getElementById('trouble').innerText")
        assert await chrome.js("window.had === undefined")
        assert await chrome.js("document.querySelectorAll('img, body script').length") == 0
        chrome.errors[:] = [one for one in chrome.errors if "422" not in one]  # which the browser tells of itself

    in_browser(tmp_path, play, verbs)


def test_the_file_that_a_browser_is_started_with_leads_to_the_page(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path / "state") as page, Chrome(tmp_path / "profile") as chrome:
            with door(page.url, Outlet(Redactor())) as private:
                assert page.token not in private
                folder = Path(unquote(urlsplit(private).path)).parent
                assert folder.stat().st_mode & 0o077 == 0
                await chrome.call("Page.navigate", url=private)
                await chrome.until(f"location.protocol === 'http:' && document.documentElement && {READY}")
                assert "No runs yet" in await chrome.js("document.body.innerText")
            assert not folder.exists()

    asyncio.run(main())
