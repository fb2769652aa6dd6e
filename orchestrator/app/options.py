"""What a command was asked to do, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.manifest.units import duration
from orchestrator.model import CloudAddress, Manifest, Storage


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`level`: debug … error, or "auto": warning under a live display, else info. `format`: console | json | auto."""

    level: str = "auto"
    format: str = "console"


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """Everything that `deploy` takes. None: not given, so the file or the default decides."""

    config: Path
    state_dir: Path | None = None
    patterns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    sandbox: bool = False
    endpoint: str | None = None
    bucket: str | None = None
    yes: bool = False
    dry_run: bool = False
    force: bool = False
    run_key: str | None = None
    output: str = "text"
    events: str | None = None
    lock_timeout_s: float = 0.0
    log: LogOptions = LogOptions()


def seconds(option: str, text: str) -> float:
    """Read a duration that was given as an option. Raises `UsageError`."""
    try:
        return duration(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from error


def state_dir_of(config: Path, state_dir: Path | None) -> Path:
    """Place the state folder: `.orchestrator/` beside deploy.toml unless told otherwise."""
    return state_dir if state_dir is not None else config.absolute().parent / ".orchestrator"


def address_of(manifest: Manifest, endpoint: str | None) -> CloudAddress:
    """Apply `--endpoint` over the file."""
    return replace(manifest.cloud, endpoint=endpoint) if endpoint else manifest.cloud


def storage_of(manifest: Manifest, bucket: str | None) -> Storage:
    """Apply `--bucket` over the file."""
    return replace(manifest.storage, bucket=bucket) if bucket else manifest.storage


def sandbox_environ(environ: Mapping[str, str], *, key_file: Path) -> dict[str, str]:
    """Make the environment of a sandbox run: its own credentials only, so that no real token ever leaves for it."""
    foreign = ("YC_", "AWS_")
    kept = {name: value for name, value in environ.items() if not name.startswith(foreign)}
    folder_id = environ.get("YC_FOLDER_ID") or "sandbox-folder"
    return kept | {"YC_FOLDER_ID": folder_id, "YC_SERVICE_ACCOUNT_KEY_FILE": str(key_file)}
