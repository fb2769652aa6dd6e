"""How a browser is started: without the token in its arguments, and not as a program on the terminal."""

from __future__ import annotations

import stat
import webbrowser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import anyio
import pytest

from orchestrator.app.commands.serving import ui
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.messages import Messages

URL = "http://127.0.0.1:1234/#token=abc-_9"


def test_the_file_is_its_users_own_and_goes_with_the_page() -> None:
    with ui.door(URL, Outlet(Redactor())) as private:
        path = Path(unquote(urlsplit(private).path))
        assert "abc-_9" not in private
        assert URL in path.read_text("utf-8")
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("found", "named", "opened"),
    [
        (webbrowser.BackgroundBrowser("xdg-open"), "", True),
        (webbrowser.GenericBrowser("lynx"), "", False),
        (webbrowser.GenericBrowser("lynx"), "lynx", True),
        (None, "", False),
    ],
)
def test_a_browser_for_terminals_is_opened_only_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: webbrowser.BaseBrowser | None,
    named: str,
    opened: bool,
) -> None:
    urls: list[str] = []

    def get() -> webbrowser.BaseBrowser:
        if found is None:
            raise webbrowser.Error
        return found

    def take(url: str) -> bool:
        urls.append(url)
        return True

    monkeypatch.setattr(webbrowser, "get", get)
    monkeypatch.setattr(webbrowser, "open", take)
    monkeypatch.setenv("BROWSER", named)
    anyio.run(ui._open, "file:///open.html", Messages())
    assert urls == (["file:///open.html"] if opened else [])
    assert ("no browser was opened" in capsys.readouterr().err) is not opened
