"""`import` reads settings that no listing shows; unreadable ones are reported once for all functions concerned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import anyio.lowlevel
import pytest

from orchestrator.app.commands.import_ import manifest_text
from orchestrator.app.session.importing.entries import KnownNames, entries_of
from orchestrator.app.session.importing.reading import Unread, with_own_settings
from orchestrator.app.session.session import Session
from orchestrator.errors import CloudError, Code, StartError
from orchestrator.job.inventory import LiveFunction
from orchestrator.model import AccessBinding, ScalingPolicy
from tests.builders import settings
from tests.live import found_in, live_function, live_state, no_secret


def session(refused: Code | None) -> Session:
    async def list_scaling(_function_id: str) -> list[ScalingPolicy]:
        return [ScalingPolicy("$latest", provisioned=1)]

    async def list_access(function_id: str) -> list[AccessBinding]:
        if refused is not None:
            raise CloudError(f"no right to see {function_id}", call="listAccessBindings", http_status=403, code=refused)
        return [AccessBinding("functions.functionInvoker", "allUsers", "system")]

    async def read(call: Callable[[], Awaitable[Any]]) -> Any:
        await anyio.lowlevel.checkpoint()  # so that both kinds are read at the same time
        return await call()

    functions = SimpleNamespace(list_scaling=list_scaling, list_access=list_access)
    world = SimpleNamespace(functions=functions, read=read)
    return cast("Session", SimpleNamespace(world=world, messages=SimpleNamespace(mention=lambda _text: None)))


def read(refused: Code | None) -> tuple[tuple[LiveFunction, ...], tuple[Unread, ...]]:
    live = live_state([live_function(name, settings()) for name in ("one", "two")])
    return anyio.run(with_own_settings, session(refused), found_in(live))


def test_scaling_and_access_of_each_function_are_read() -> None:
    functions, unread = read(None)
    assert unread == ()
    text = manifest_text(entries_of(functions, KnownNames(), no_secret), {})
    assert text.count('"$latest" = { provisioned = 1 }') == 1  # in [defaults]
    assert text.count("public = true") == 2


def test_what_may_not_be_read_is_left_open_and_reported_once() -> None:
    functions, (unread,) = read(Code.PERMISSION_DENIED)
    assert unread.words == "public of one, two: its access bindings cannot be read: no right to see FUNCTION"
    text = manifest_text(entries_of(functions, KnownNames(), no_secret), {}, [unread.words])
    assert "# Not declared here, so the live settings are kept:\n#   public of one, two: its access" in text
    assert "public =" not in text
    assert '"$latest" = { provisioned = 1 }' in text


def test_a_token_that_is_not_accepted_ends_it() -> None:
    with pytest.raises(StartError, match="the live state cannot be read: no right"):
        read(Code.UNAUTHENTICATED)
