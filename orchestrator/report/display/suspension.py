"""Ctrl-Z while a live region is drawn: the region is wiped and the cursor shown before the process stops."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.live import Live


class Suspension:
    """A block in which SIGTSTP stops the process at the next frame. Where it is ignored, it stays ignored."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._asked = False
        self._former: Any = signal.SIG_IGN

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = signal.getsignal(signal.SIGTSTP)
        if self._former is signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._former is signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    def happened(self) -> bool:
        """Stop the process if that was asked for. Return true once it continues: the screen may be another one."""
        if not self._asked:
            return False
        self._asked = False
        self._live.stop()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._ask)
        self._live.start()
        return True
