"""Which telemetry the environment asks for, by the variables that OpenTelemetry defines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

DISABLED = "OTEL_SDK_DISABLED"
HEADERS = tuple(f"OTEL_EXPORTER_OTLP_{signal}HEADERS" for signal in ("", "TRACES_", "METRICS_"))
OVER_HTTP = "otlp_proto_http"
_PROTOCOLS = {"http/protobuf": OVER_HTTP, "grpc": "otlp_proto_grpc"}  # → entry points of the exporters


class NoExporterError(Exception):
    """No installed package has an exporter of this name."""


@dataclass(frozen=True, slots=True)
class Signals:
    """The exporters of spans and of metrics, by the names of their entry points. `problems`: values that have no
    effect, as sentences.
    """

    traces: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether anything is sent."""
        return bool(self.traces or self.metrics)


@dataclass(frozen=True, slots=True)
class About:
    """Whose telemetry it is: the run, the program's version, and the environment of the manifest, "" for none."""

    run_id: str
    program: str
    environment: str


def signals_of(environ: Mapping[str, str]) -> Signals:
    """Read what is sent, of each signal (`TRACES`, `METRICS`) by itself.

    | OTEL_SDK_DISABLED | endpoint                | OTEL_TRACES_EXPORTER | spans go                             |
    | ---               | ---                     | ---                  | ---                                  |
    | true              | any                     | any                  | nowhere                              |
    | else              | unset                   | unset                | nowhere                              |
    | else              | set                     | unset                | to the endpoint                      |
    | else              | any                     | none                 | nowhere                              |
    | else              | any                     | otlp                 | to the endpoint, or a local collector|
    | else              | any                     | another name         | to the exporter that has this name   |

    The endpoint is OTEL_EXPORTER_OTLP_ENDPOINT, or the one with TRACES. An empty variable is unset.
    """
    if environ.get(DISABLED, "").strip().lower() == "true":
        return Signals()
    problems: dict[str, None] = {}
    found = [_exporters(environ, signal, problems) for signal in ("TRACES", "METRICS")]
    return Signals(found[0], found[1], tuple(problems))


def _exporters(environ: Mapping[str, str], signal: str, problems: dict[str, None]) -> tuple[str, ...]:
    variable = f"OTEL_{signal}_EXPORTER"
    asked = [name for part in environ.get(variable, "").split(",") if (name := part.strip())]
    if not asked:
        endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
        asked = ["otlp"] if any(environ.get(name, "").strip() for name in endpoints) else []
    found: dict[str, None] = {}
    for name in asked:
        if name == "console":
            problems[f'{variable}: "console" is not supported. Use --events - to see what happens'] = None
        elif name == "otlp":
            found |= dict.fromkeys(_by_protocol(environ, signal, problems))
        elif name != "none":
            found[name] = None
    return tuple(found)


def _by_protocol(environ: Mapping[str, str], signal: str, problems: dict[str, None]) -> tuple[str, ...]:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(variable, "").strip()
        if protocol and protocol not in _PROTOCOLS:
            problems[f'{variable}: "{protocol}" is not supported. Use http/protobuf or grpc'] = None
            return ()
        if protocol == "grpc":
            return (_PROTOCOLS[protocol],)
        if protocol:
            break
    for variable in (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if endpoint := environ.get(variable, "").strip():
            if not _is_address(endpoint):
                problems[f"{variable} is not a valid address. Write http://HOST:PORT or https://HOST:PORT"] = None
                return ()
            break
    return (OVER_HTTP,)


def _is_address(text: str) -> bool:
    try:
        found = urlsplit(text)
        return found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:  # of a port that is no number
        return False
