"""The live page in Chromium: a run from its start to its end, the list of runs, and texts that stay texts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from orchestrator.journal.events import Event
from tests.browser.chrome import Chrome
from tests.browser.test_report_page import READY, ROWS
from tests.runs import RUN_ID, deployment, ended, failed, started
from tests.ui import Page, Writer, served
from tests.unit.report.test_page import ATTEMPTS


def in_browser(tmp_path: Path, play: Callable[[Chrome, Page, Writer], Awaitable[None]]) -> None:
    async def main() -> None:
        state_dir = tmp_path / "state"
        async with served(state_dir) as page, Chrome(tmp_path / "profile") as chrome:
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
