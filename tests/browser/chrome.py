"""A real browser: Chromium, headless, controlled by its own protocol (CDP) over a WebSocket."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip
ROOT = Path(__file__).parents[2]
AXE = Path(os.environ.get("AXE", "") or ROOT / ".venv-test" / "axe.min.js")  # installed by `make browser`
_TRACED = {"includedCategories": ["disabled-by-default-devtools.timeline", "toplevel", "devtools.timeline"]}
_START_S = 30.0
_ANSWER_S = 60.0
_NAVIGATED = "Inspected target navigated or closed"


def find_browser() -> str:
    """Return the path of a Chromium: the one that BROWSER names, otherwise the first that is installed. Fails without
    one.
    """
    named = os.environ.get("BROWSER", "")
    found = next((path for name in (named, *NAMES) if name and (path := shutil.which(name))), None)
    assert found is not None, f"no browser: install Chromium, or name one by BROWSER (looked for {', '.join(NAMES)})"
    return found


@cache
def _axe() -> str:
    assert AXE.exists(), f"{AXE} is not there: `make browser` brings it by npm, or name a copy of axe.min.js by AXE"
    return AXE.read_text("utf-8")


class NavigatedError(AssertionError):
    """The page went elsewhere while it was asked, so there is no answer."""


class Chrome:
    """One browser process with one page. `said`: what scripts wrote to the console; `asked`: requested addresses;
    `errors`: script errors, and what the page's policy blocked.
    """

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [find_browser(), *FLAGS, f"--user-data-dir={folder}", "about:blank"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._folder = folder
        self._numbers = itertools.count(1)
        self._traced, self._is_traced = list[Any](), False
        self.said, self.asked, self.errors = list[str](), list[str](), list[str]()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{self._port()}/json") as answer:
            target = next(one for one in await answer.json() if one["type"] == "page")
        self._socket = await self._session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._session.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _port(self) -> int:
        reported, end = self._folder / "DevToolsActivePort", time.monotonic() + _START_S
        while not (reported.exists() and reported.read_text("utf-8").strip()):
            assert self._process.poll() is None, "the browser has ended"
            assert time.monotonic() < end, "the browser does not tell its port"
            time.sleep(0.05)
        return int(reported.read_text("utf-8").split()[0])

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol. Events that arrive meanwhile are handled."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            reported = await self._socket.receive_json(timeout=_ANSWER_S)
            if reported.get("id") == number:
                error = reported.get("error", {}).get("message", "")
                if error == _NAVIGATED:
                    raise NavigatedError(method)
                assert not error, (method, error)
                return reported["result"]
            self._hear(reported)

    def _hear(self, reported: Mapping[str, Any]) -> None:
        parameters: Any = reported.get("params", {})
        match reported.get("method"):
            case "Runtime.consoleAPICalled":
                self.said.append(" ".join(str(one.get("value", "")) for one in parameters["args"]))
            case "Runtime.exceptionThrown":
                detail = parameters["exceptionDetails"]
                self.errors.append(detail.get("exception", {}).get("description") or detail["text"])
            case "Network.requestWillBeSent":
                self.asked.append(parameters["request"]["url"])
            case "Tracing.dataCollected":
                self._traced += parameters["value"]
            case "Tracing.tracingComplete":
                self._is_traced = True
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(parameters["entry"]["text"])

    async def js(self, expression: str) -> Any:
        """Evaluate an expression in the page, and await its promise."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def open(self, url: str, ready: str) -> None:
        """Open a page, and wait until an expression is true there."""
        await self.call("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href !== 'about:blank' && ({ready})")

    async def until(self, holds: str) -> None:
        """Wait until an expression is true in the page, or in the one that it leads to meanwhile."""
        end = time.monotonic() + _ANSWER_S
        while True:
            with suppress(NavigatedError):
                if await self.js(f"Boolean({holds})"):
                    return
                await self.js("new Promise((done) => setTimeout(done, 20))")
            assert time.monotonic() < end, f"{holds} does not come true; {self.errors}"

    async def reload(self) -> None:
        """Load the page again, and wait until the former one is gone: its elements are no answer to what follows."""
        await self.js("(() => { window.isFormer = true; location.reload(); })()")
        await self.until("document.documentElement && !window.isFormer")

    async def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False) -> None:
        """Set the window's size, and light or dark mode."""
        scale = 2 if phone else 1
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, *, whole: bool = False) -> bytes:
        """Take a screenshot of the window, or of the whole page, as PNG."""
        taken = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    async def mistakes(self) -> list[str]:
        """Return the accessibility problems that axe-core finds: keyboard, screen reader, contrast."""
        await self.call("Runtime.evaluate", expression=_axe())
        found: list[str] = await self.js(
            "axe.run().then((told) => told.violations.map((one) => `${one.id} (${one.impact}): ${one.nodes[0].html}`))"
        )
        return found

    async def frame(self) -> None:
        """Wait until pending frames are drawn."""
        await self.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    async def tasks_ms(self, play: Callable[[], Awaitable[object]]) -> list[float]:
        """Run something, and return how much CPU time the page's own thread spent on each task, the longest first. Time
        that other processes take is not the page's fault.
        """
        self._traced.clear()
        await self.call("Tracing.start", transferMode="ReportEvents", traceConfig=_TRACED)
        await play()
        await self.call("Tracing.end")
        while not self._is_traced:
            self._hear(await self._socket.receive_json(timeout=_ANSWER_S))
        self._is_traced = False
        own = {one["tid"] for one in self._traced if one.get("args", {}).get("name") == "CrRendererMain"}
        tasks = (one for one in self._traced if one["name"] == "RunTask" and one["tid"] in own)
        return sorted((one.get("tdur", 0) / 1000 for one in tasks), reverse=True)

    async def drag(self, selector: str, begin: float, end: float) -> None:
        """Press in an element, at a share of its width, move to another, and release."""
        box = await self.js(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{ block: "center" }});
            const box = element.getBoundingClientRect();
            return [box.x, box.y + box.height / 2, box.width];
        }})()""")
        y, (first, last) = box[1], (box[0] + share * box[2] for share in (begin, end))
        for kind, x, held in (
            ("mouseMoved", first, 0), ("mousePressed", first, 1), ("mouseMoved", last, 1), ("mouseReleased", last, 0),
        ):  # fmt: skip
            button = "none" if kind == "mouseMoved" else "left"
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=held, clickCount=1)

    async def press(self, key: str, *, text: str = "") -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "")

    async def click(self, selector: str) -> None:
        """Click the middle of an element, wherever it is."""
        at = await self.js(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{ block: "center" }});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1
            )  # fmt: skip

    async def wheel(self, x: float, y: float, by: float) -> None:
        """Turn the wheel."""
        await self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by)
