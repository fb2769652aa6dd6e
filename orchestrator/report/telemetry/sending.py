"""Telemetry of a run, if the environment asks for it. Sending may delay the end of a run, but never fails it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from orchestrator.engine.bus import Listener
from orchestrator.report.messages import Messages
from orchestrator.report.telemetry.names import root_of
from orchestrator.report.telemetry.signals import OVER_HTTP, About, NoExporterError, Signals, signals_of

if TYPE_CHECKING:
    from orchestrator.report.telemetry.exporting import Exporting

END_S = 5.0  # that the end of a run waits for what is still to be sent
CALLED_OFF_S = 1.0  # the same after an interrupt: a CI kills after ten seconds
EXTRA = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
_OF_EXTRA = (OVER_HTTP,)
_PACKAGES = {"otlp_proto_grpc": "pip install opentelemetry-exporter-otlp-proto-grpc"}


@asynccontextmanager
async def telemetry(
    messages: Messages, about: About, environ: Mapping[str, str], called_off: Callable[[], bool]
) -> AsyncIterator[Sequence[Listener]]:
    """Send spans and metrics of a run for as long as it lasts. Yield the listeners, none if not asked for."""
    signals = signals_of(environ)
    for problem in signals.problems:
        messages.warn(f"telemetry: {problem}")
    exporting = _opened(signals, about, environ, messages) if signals.is_on else None
    if exporting is None:
        yield ()
        return
    for problem in exporting.problems:
        messages.warn(f"telemetry: {problem}")
    if exporting.is_sampled:
        messages.mention(f"telemetry: trace {root_of(about.run_id)[0]:032x}")
    try:
        yield (exporting.hear,)
    finally:
        with anyio.CancelScope(shield=True):
            bound_s = CALLED_OFF_S if called_off() else END_S
            lost = await to_thread.run_sync(partial(exporting.end, bound_s))
        if lost:
            messages.incomplete.append(f"telemetry: {lost}")


def _opened(signals: Signals, about: About, environ: Mapping[str, str], messages: Messages) -> Exporting | None:
    """Return the exporting. A missing package is reported, with the command that installs it."""
    try:
        return _exporting(signals, about, environ, messages)
    except ImportError:
        messages.warn(f"telemetry is not sent: OpenTelemetry is not installed. Install it: {EXTRA}")
    except NoExporterError as error:
        name = str(error)
        install = EXTRA if name in _OF_EXTRA else _PACKAGES.get(name)
        how = f"Install it: {install}" if install else "Name an exporter of an installed package, or otlp"
        messages.warn(f'telemetry is not sent: there is no exporter "{name}". {how}')
    except Exception as error:  # noqa: BLE001 - a value that the library refuses, also at its import, stops no run
        messages.warn(f"telemetry is not sent: {type(error).__name__}: {error}")
    return None


def _exporting(signals: Signals, about: About, environ: Mapping[str, str], messages: Messages) -> Exporting:
    from orchestrator.report.telemetry.exporting import Exporting  # noqa: PLC0415 - an extra

    return Exporting(signals, about, environ, messages.outlet)
