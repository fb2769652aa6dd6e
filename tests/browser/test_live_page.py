"""The live page in Chromium: a run from start to end, the list of runs, and texts that must not become markup."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from orchestrator.app.commands.serving.ui import door
from orchestrator.coordination.local_lock import lock
from orchestrator.journal.events import Event
from orchestrator.journal.identity import Identity
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.redaction.safe import Safe
from orchestrator.ui.server import Act, Answered
from tests.browser.chrome import Chrome
from tests.browser.test_report_page import LONG_TASK_MS, READY, ROWS
from tests.runs import RUN_ID, STARTED_AT, deployment, ended, failed, planned, started
from tests.ui import Page, Writer, served
from tests.unit.report.test_page import ATTEMPTS


class Hostile:
    """Other commands, with functions whose every text tries to inject something."""

    def __init__(self) -> None:
        self.outlet = Outlet(Redactor())
        self.text = " ".join(ATTEMPTS)
        self.planned: list[Sequence[str]] = []

    def reported(self, document: Mapping[str, Any]) -> Answered:
        return Answered(200, self.outlet.json(document))

    async def why(self, function: str) -> Answered:
        names = "key", "state", "value", "live", "from"
        rows = [dict.fromkeys(names, self.text) | {"place": {"file": self.text, "line": 3}}]
        reported = "verb", "by", "action", "reason", "outcome", "why", "advice", "version_id"
        run: dict[str, Any] = dict.fromkeys(reported, self.text)
        run.update(run_id=RUN_ID, started_at="2026-11-28T03:00:00+00:00", elsewhere=False)
        plan = dict.fromkeys(("action", "reason", "advice", "detail", "then"), self.text) | {"warnings": [self.text]}
        return self.reported({
            "function": function, "function_id": self.text, "folder_id": self.text, "place": None, "now": None,
            "next": plan, "settings": rows, "waits": [], "runs": [run], "unknown": [self.text],
        })  # fmt: skip

    async def plan(self, patterns: Sequence[str]) -> Answered:
        self.planned.append(patterns)
        unit: dict[str, Any] = dict.fromkeys(("function", "action", "reason", "detail", "advice"), self.text)
        unit["warnings"] = []
        return self.reported({"units": [unit], "counts": {"blocked": 1}, "warnings": [self.text]})

    async def jobs(self) -> Answered:
        names = "job", "run", "schedule", "timezone", "place", "environment"
        job = dict.fromkeys(names, self.text) | {"next_due": "2026-11-29T03:00+00:00", "open_due": None}
        return self.reported({"jobs": [job]})

    async def way_back(self, run: str) -> Answered:
        return await self.plan([run])

    async def board(self, job: str) -> Answered:
        return Answered(422, self.outlet.json({"error": self.text, "advice": job, "detail": self.text}))


class Acting:
    """Records the actions that are started."""

    def __init__(self) -> None:
        self.begun: list[Act] = []
        self.said = ATTEMPTS[0]

    def begin(self, act: Act) -> Safe:
        self.begun.append(act)
        return self.started()

    def started(self) -> Safe:
        acts = [{"verb": one.verb, "run": one.run, "pid": 7, "exit_code": 2, "ended": "refused", "said": self.said}
                for one in self.begun]  # fmt: skip
        return Outlet(Redactor()).json({"allowed": True, "actions": acts})


def in_browser(tmp_path: Path, play: Callable[[Chrome, Page, Writer], Awaitable[None]], **given: Any) -> None:
    async def main() -> None:
        state_dir = tmp_path / "state"
        async with served(state_dir, **given) as page, Chrome(tmp_path / "profile") as chrome:
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
        await chrome.reload()
        await chrome.until(f"{READY} && document.querySelectorAll('{ROWS}').length === 3")

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


def test_functions_plans_and_jobs_are_reported_as_text(tmp_path: Path) -> None:
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
        chrome.errors[:] = [one for one in chrome.errors if "422" not in one]  # the browser reports this itself

    in_browser(tmp_path, play, verbs=verbs)


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


def test_nothing_takes_long_while_five_thousand_rows_grow_and_scroll(tmp_path: Path) -> None:
    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        events: list[Event] = [started(units=5040)]
        for number in range(5000):
            events += deployment(f"function-{number:05}", STARTED_AT + number * 0.1)
        writer.write(events)
        await chrome.open(page.url, READY)
        await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
        await chrome.until(f"{READY} && document.querySelector('.rows')?.ariaRowCount === '5001'")
        await chrome.js("document.querySelector('.rows').scrollIntoView()")

        async def scroll() -> None:
            for number in range(40):
                writer.write(deployment(f"later-{number:05}", STARTED_AT + 500 + number * 0.1))
            await chrome.js("""new Promise((done) => { const rows = document.querySelector('.rows'); let step = 0;
                const go = () => { rows.scrollTop = (step * 7919) % rows.scrollHeight;
                    if (++step < 120 || rows.ariaRowCount !== '5041') requestAnimationFrame(go); else done(); };
                go(); })""")

        tasks = await chrome.tasks_ms(scroll)
        assert len(tasks) > 120  # it was monitored
        assert tasks[0] < LONG_TASK_MS, tasks[:5]

    in_browser(tmp_path, play)


def test_an_action_is_asked_about_and_wants_the_environment_typed(tmp_path: Path) -> None:
    acting, verbs = Acting(), Hostile()

    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        prod = replace(started(units=1), identity=Identity(environment="prod"))
        writer.write([prod, *deployment("one", outcome=failed()), ended(1)])
        await chrome.open(page.url, READY)
        await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
        await chrome.until(f"{READY} && document.querySelector('.acts button')")
        assert await chrome.js("document.querySelector('.acts').innerText") == "Roll back …"
        await chrome.click(".acts button")
        await chrome.until("document.querySelector('dialog[open] #units')")
        assert verbs.planned == [[RUN_ID]]
        assert await chrome.mistakes() == []
        await chrome.click("dialog .agree")  # it is disabled
        for text, disabled in (("pro", True), ("prod", False)):
            await chrome.js(f"""(() => {{ const one = document.getElementById('typed'); one.value = '{text}';
                one.dispatchEvent(new Event('input')); }})()""")
            assert await chrome.js("document.querySelector('.agree').disabled") is disabled
        assert acting.begun == []
        await chrome.click("dialog .agree")
        await chrome.until("document.querySelector('#begun summary')")
        assert acting.begun == [Act("rollback", RUN_ID, "prod")]
        assert await chrome.js("document.querySelector('#begun').innerText.includes('refused')")
        assert await chrome.js("document.querySelector('dialog')") is None
        assert await chrome.mistakes() == []
        await chrome.click(".acts button")
        await chrome.until("document.querySelector('dialog[open]')")
        await chrome.js("location.hash = '#/jobs'")  # for example by going back: a pending request ends with its page
        await chrome.until("!document.querySelector('dialog')")
        assert len(acting.begun) == 1
        assert await chrome.js("window.had === undefined")

    in_browser(tmp_path, play, verbs=verbs, actions=acting)


def test_a_double_click_acts_once_and_the_question_names_the_functions(tmp_path: Path) -> None:
    acting = Acting()

    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        writer.write([started(units=3), *deployment("one"), planned("two"), planned("<b>three</b>"), ended(3)])
        await chrome.open(page.url, READY)
        await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
        await chrome.until(f"{READY} && document.querySelector('.acts button')")
        await chrome.click(".acts button")
        await chrome.until("document.querySelector('dialog[open]')")
        assert await chrome.js("document.querySelector('dialog .about').innerText") == (
            "2 functions left: two, <b>three</b>"
        )
        await chrome.js("(() => { const one = document.querySelector('.agree'); one.click(); one.click(); })()")
        await chrome.until("document.querySelector('#begun summary')")
        await chrome.frame()
        assert acting.begun == [Act("resume", RUN_ID, "")]
        acting.said = "\n".join(map(str, range(200)))
        acting.begin(Act("resume", "20260101T000000-abcdef", ""))  # of another run: it is not shown here
        await chrome.reload()
        await chrome.until(f"{READY} && document.querySelector('#begun pre')")
        assert await chrome.js("document.querySelectorAll('#begun summary').length") == 1
        await chrome.until("document.querySelector('#begun pre').scrollTop > 0")

    in_browser(tmp_path, play, actions=acting)


def test_the_address_of_a_later_start_works_in_the_same_tab(tmp_path: Path) -> None:
    """Only the fragment differs, so the browser does not load the page again by itself."""

    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        writer.write([started(units=1), *deployment("one"), ended()])
        await chrome.call("Page.navigate", url=f"{page.address}#token=of-an-earlier-start")
        await chrome.until("document.getElementById('trouble')?.innerText.includes('does not have the token')")
        await chrome.js(f"location.href = {page.url!r}")
        await chrome.until(f"document.documentElement && {READY} && document.querySelector('a[href^=\"#/run/\"]')")
        assert page.token not in await chrome.js("location.href")
        assert await chrome.js("document.getElementById('trouble').innerText") == ""
        chrome.errors[:] = [one for one in chrome.errors if "401" not in one]  # the browser reports this itself

    in_browser(tmp_path, play)


def test_a_page_connects_again_after_its_server_was_away(tmp_path: Path) -> None:
    """A tunnel that breaks and comes back is the same to the page as a server that was away with its token."""
    trouble = "document.getElementById('trouble').innerText"

    async def main() -> None:
        state_dir = tmp_path / "state"
        writer = Writer(state_dir)
        writer.write([started(units=1), *deployment("one"), ended()])
        async with Chrome(tmp_path / "profile") as chrome:
            async with served(state_dir) as page:
                await chrome.open(page.url, READY)
                await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
                await chrome.until(f"{READY} && document.querySelector('.rows')")
                await chrome.frame()
            await chrome.until(f"{trouble}.includes('does not')")
            async with served(state_dir, int(page.address.rstrip("/").rpartition(":")[2]), token=page.token):
                await chrome.until(f"{trouble} === ''")
                assert await chrome.js("document.querySelector('.rows') !== null")
        writer.store.close()

    asyncio.run(main())


def test_a_stream_that_is_silent_is_opened_again(tmp_path: Path) -> None:
    """As after a sleep of the machine. The page's minute of silence is made shorter than the time between two signs of
    life.
    """
    hasty = "const later = window.setTimeout; window.setTimeout = (act, ms) => later(act, ms === 60000 ? 300 : ms);"

    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        writer.write([started(units=1), *deployment("one"), ended()])
        await chrome.call("Page.addScriptToEvaluateOnNewDocument", source=hasty)
        await chrome.open(page.url, READY)
        await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
        await chrome.until(f"{READY} && document.querySelector('.rows')")
        events = f"{page.address}api/runs/{RUN_ID}/events"
        while chrome.asked.count(events) < 3:
            await chrome.frame()
        await chrome.until("document.getElementById('trouble').innerText === ''")
        assert await chrome.js("document.querySelector('.rows') !== null")

    in_browser(tmp_path, play)


def test_a_page_that_only_looks_has_no_buttons_to_act(tmp_path: Path) -> None:
    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        writer.write([started(units=1), *deployment("one"), ended()])
        await chrome.open(page.url, READY)
        await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
        await chrome.until(f"{READY} && document.querySelector('.rows')")
        await chrome.frame()
        assert await chrome.js("document.querySelectorAll('.acts button').length") == 0

    in_browser(tmp_path, play)


def test_a_run_in_progress_can_be_paused(tmp_path: Path) -> None:
    acting = Acting()

    async def play(chrome: Chrome, page: Page, writer: Writer) -> None:
        async with lock(tmp_path / "state", verb="deploy"):  # so the run is in progress
            writer.write([started(at=time.time() + 1, units=2)])
            await chrome.open(page.url, READY)
            await chrome.js(f"location.hash = '#/run/{RUN_ID}'")
            await chrome.until(f"{READY} && document.querySelector('.acts button')")
            assert await chrome.js("document.querySelector('.acts').innerText") == "Pause …"
            await chrome.click(".acts button")
            await chrome.until("document.querySelector('dialog[open]')")
            assert await chrome.js("document.querySelector('dialog p').innerText") == (
                "Nothing new starts. Operations in flight settle. Resume continues the run."
            )
            await chrome.click("dialog .agree")
            await chrome.until("document.querySelector('#begun summary')")
            assert acting.begun == [Act("pause", RUN_ID, "")]

    in_browser(tmp_path, play, actions=acting)
