"""The page of a run in Chromium: it draws itself, loads nothing, handles keys, stays smooth; its texts are inert."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.account.values import Account, FunctionAccount, StepSpan
from orchestrator.report.html.page import report_page
from tests.browser.chrome import Chrome
from tests.runs import STARTED_AT, account, started, whole_run
from tests.unit.report.test_account import TWO_SLOTS
from tests.unit.report.test_page import ATTEMPTS, hostile

READY = "document.documentElement.dataset.ready === 'yes'"
ROWS = ".space .row:not([hidden])"
LONG_TASK_MS = 100
LOOKS: list[dict[str, Any]] = [{"width": 390, "height": 844, "phone": True}, {"dark": True}, {}]


def in_browser(tmp_path: Path, found: Account, play: Callable[[Chrome], Awaitable[None]], **looks: Any) -> None:
    """Open the page of a run, and run the test on it."""
    path = tmp_path / "report.html"
    path.write_text(report_page(found, Outlet(Redactor())), "utf-8")

    async def main() -> None:
        async with Chrome(tmp_path / "profile") as chrome:
            await chrome.look(**looks)
            await chrome.open(path.as_uri(), READY)
            await chrome.frame()
            await play(chrome)
            assert chrome.errors == []
            assert {url.partition("?")[0] for url in chrome.asked} == {path.as_uri()}

    asyncio.run(main())


def many(count: int = 5000) -> Account:
    """A run of so many functions, each with its own times."""
    found = account(TWO_SLOTS)
    first = found.functions[0]

    def one(number: int) -> FunctionAccount:
        begins = number * 0.1
        spans = (
            StepSpan("package", 0, begins, begins + 1, ok=True), StepSpan("queue", 0, begins + 1, begins + 9, ok=True),
            StepSpan("create", 0, begins + 9, begins + 9.2, ok=True),
            StepSpan("track", 0, begins + 9.2, begins + 12 + number % 7, ok=True),
        )  # fmt: skip
        outcome = "failed" if number % 500 == 0 else "deployed"
        key = f"function-{number:05}"
        return replace(
            first, function=key, name=key, steps=spans, outcome=outcome, shown=outcome, work_s=4.0 + number % 7
        )

    return replace(found, functions=tuple(map(one, range(count))), seconds=count * 0.1 + 20)


def test_it_shows_what_the_account_tells(tmp_path: Path) -> None:
    async def play(chrome: Chrome) -> None:
        text = await chrome.js("document.body.innerText")
        assert "11.0 s, of which 5.0 s bound by the folder's 2 operations; with 20 it would take 6.0 s" in text
        assert await chrome.js(f"document.querySelectorAll('{ROWS}').length") == 4
        assert await chrome.js("document.querySelectorAll('canvas').length") == 6  # rows, axis, chart
        label = await chrome.js("document.querySelector('.chart').getAttribute('aria-label')")
        assert label == "Slots in use of folder b1gfolder over time: at most 2; the limit was 2; 0 refusals"
        painted = """(() => { const one = document.querySelector('.space .row canvas');
            const drawn = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;
            return drawn.some((value) => value > 0); })()"""
        assert await chrome.js(painted)

    in_browser(tmp_path, account(TWO_SLOTS), play)


def test_keys_move_zoom_open_and_close(tmp_path: Path) -> None:
    async def active(chrome: Chrome) -> Any:
        await chrome.frame()
        return await chrome.js("document.querySelector('.row.active .function').textContent")

    async def play(chrome: Chrome) -> None:
        await chrome.js("document.querySelector('.rows').focus()")
        assert await active(chrome) == "function-00000"
        for key, there in (("ArrowDown", 1), ("End", 4999), ("ArrowUp", 4998), ("Home", 0)):
            await chrome.press(key)
            assert await active(chrome) == f"function-{there:05}"
        assert await chrome.js("document.querySelector('.rows').getAttribute('aria-rowcount')") == "5001"
        current = "document.getElementById(document.querySelector('.rows').getAttribute('aria-activedescendant'))"
        assert await chrome.js(f"{current}.getAttribute('aria-rowindex')") == "2"
        await chrome.press("Enter")
        assert await chrome.js("document.activeElement.id") == "detail-title"
        assert "function-00000" in await chrome.js("document.getElementById('detail').innerText")
        await chrome.press("Escape")
        assert await chrome.js("document.getElementById('detail').hidden")
        assert await chrome.js("document.activeElement.className") == "rows"

    in_browser(tmp_path, many(), play)


def test_search_filter_and_order_choose_the_rows(tmp_path: Path) -> None:
    async def choose(chrome: Chrome, name: str, value: str) -> tuple[str, str]:
        await chrome.js(f"""(() => {{ const one = document.getElementById({json.dumps(name)});
            one.value = {json.dumps(value)}; one.dispatchEvent(new Event('input')); }})()""")
        await chrome.frame()
        reported = await chrome.js("document.querySelector('[role=status]').textContent")
        first = "[...document.querySelectorAll('" + ROWS + "')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)[0]"
        return reported, await chrome.js(f"{first} ? {first}.querySelector('.function').textContent : ''")

    async def play(chrome: Chrome) -> None:
        assert await choose(chrome, "outcome", "failed") == ("10 of 5,000 functions", "function-00000")
        assert await choose(chrome, "search", "-04500") == ("1 of 5,000 functions", "function-04500")
        assert await choose(chrome, "search", "no such") == ("0 of 5,000 functions", "")
        await choose(chrome, "search", "")
        await choose(chrome, "outcome", "")
        assert await choose(chrome, "order", "work") == ("5,000 functions", "function-00006")

    in_browser(tmp_path, many(), play)


def test_nothing_takes_long_while_five_thousand_rows_scroll(tmp_path: Path) -> None:
    async def play(chrome: Chrome) -> None:
        await chrome.js("document.querySelector('.rows').scrollIntoView()")
        x, y = await chrome.js("""(() => { const box = document.querySelector('.rows').getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]; })()""")

        async def scroll() -> None:
            for _ in range(60):
                await chrome.wheel(x, y, 900.0)
            await chrome.js("""new Promise((done) => { const rows = document.querySelector('.rows'); let step = 0;
                const go = () => { rows.scrollTop = (step * 7919) % rows.scrollHeight;
                    if (++step < 120) requestAnimationFrame(go); else done(); }; go(); })""")

        assert await chrome.mistakes() == []
        tasks = await chrome.tasks_ms(scroll)
        assert await chrome.mistakes() == []  # the marked row is no element now
        assert len(tasks) > 120  # it was monitored
        assert tasks[0] < LONG_TASK_MS
        assert await chrome.js("document.querySelector('.rows').scrollTop") > 0
        assert await chrome.js("document.querySelectorAll('.space .row').length") < 80

    in_browser(tmp_path, many(), play)


@pytest.mark.parametrize("text", ["".join(ATTEMPTS), *ATTEMPTS[:2]])
def test_no_text_acts(tmp_path: Path, text: str) -> None:
    async def play(chrome: Chrome) -> None:
        await chrome.js("document.querySelector('.rows').focus()")
        await chrome.press("Enter")
        assert await chrome.js("document.getElementById('detail').hidden") is False
        assert "its new version is live" in await chrome.js("document.getElementById('failures').innerText")
        await chrome.click(".name")
        assert "its new version" in await chrome.js("document.getElementById('detail').innerText")
        assert await chrome.js("window.had") is None
        assert await chrome.js("document.querySelectorAll('script, img').length") == 2  # the data, and ours
        assert await chrome.js("document.querySelector('.space .function').textContent") == await chrome.js(
            "JSON.parse(document.getElementById('data').textContent).functions[0][0]"
        )

    in_browser(tmp_path, hostile(text), play)


FIRST_ROW = "document.querySelector('.row.active canvas').toDataURL()"


def test_the_picture_and_the_timeline_show_the_same_time(tmp_path: Path) -> None:
    async def play(chrome: Chrome) -> None:
        async def drawn() -> str:
            await chrome.frame()
            found: str = await chrome.js(FIRST_ROW)
            return found

        whole = await drawn()
        await chrome.drag(".chart .u-over", 0.1, 0.4)
        part = await drawn()
        assert part != whole
        await chrome.js("document.querySelector('.rows').focus()")
        for key in ("ArrowRight", "+"):
            before = await drawn()
            await chrome.press(key)
            assert await drawn() != before
        await chrome.press("0")
        assert await drawn() == whole
        await chrome.press("Enter")
        await chrome.click("#detail .zoom button")
        assert await drawn() != whole

    in_browser(tmp_path, account(TWO_SLOTS), play)


def test_a_run_that_is_under_way_says_so(tmp_path: Path) -> None:
    begun = [started(units=1), *whole_run("f")[1:21]]  # its Operation is accepted

    async def play(chrome: Chrome) -> None:
        await chrome.js("document.querySelector('.rows').focus()")
        await chrome.press("Enter")
        text = await chrome.js("document.body.innerText")
        assert "60.0 s so far" in text.replace("1 min 00 s", "60.0 s")
        assert "running" in text
        assert "s so far" in await chrome.js("document.getElementById('detail').innerText")

    in_browser(tmp_path, account(begun, STARTED_AT + 60, alive=True), play)


@pytest.mark.parametrize("looks", LOOKS, ids=str)
def test_everybody_can_use_it(tmp_path: Path, looks: dict[str, Any]) -> None:
    async def play(chrome: Chrome) -> None:
        await chrome.click(".name")
        await chrome.js("document.querySelector('details').open = true")
        assert await chrome.mistakes() == []

    in_browser(tmp_path, hostile("any"), play, **looks)


@pytest.mark.parametrize("looks", LOOKS, ids=str)
def test_it_fits_into_the_window_light_and_dark(tmp_path: Path, looks: dict[str, Any]) -> None:
    async def play(chrome: Chrome) -> None:
        wide = await chrome.js("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] == wide[1]
        back = await chrome.js("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(20, 23, 26)" if looks.get("dark") else "rgb(255, 255, 255)")
        (tmp_path / "picture.png").write_bytes(await chrome.picture(whole=True))

    in_browser(tmp_path, many(200), play, **looks)
