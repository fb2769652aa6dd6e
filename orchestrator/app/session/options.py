"""The options of a command as values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from orchestrator.app.session.typed import parse_time, seconds, typed_adoption, typed_names, typed_parameter
from orchestrator.errors import UsageError
from orchestrator.journal.identity import NONE
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.includes.upward import nearest_manifest
from orchestrator.manifest.variables.given_by import as_given, source_of
from orchestrator.manifest.variables.scoped import ENVIRONMENT
from orchestrator.model import CloudAddress, Manifest, Storage
from orchestrator.version.adoption import NOTHING, Adoption

SANDBOX = "sandbox"  # the endpoint of sandbox runs in the journal

ANY_FOLDER = "unknown-folder"  # a placeholder: a folder may be known only where functions are deployed from
SANDBOX_FOLDER = "sandbox-folder"  # the default in the sandbox, which accepts any folder
DEFAULT_CONFIG = "deploy.toml"
# Options of consent for single functions.
NAMING = {"again": "--again", "no_way_back": "--no-way-back", "lossy": "--lossy", "wider": "--wider"}
ROLLBACK = "rollback"  # the verb in the journal
PRUNE = "prune"  # likewise
RUN = "run"  # the parameter of a rollback that names the run to undo
_NAMES_A_RUN = re.compile(r"last$|\d")  # what names a run: no Function's name begins with a digit


@dataclass(frozen=True, slots=True)
class Names:
    """Names of functions and globs, as a container of the names that match."""

    patterns: tuple[str, ...]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(fnmatchcase(name, pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """All options of `deploy`, `plan` and `run`. None means not given: the file or the default decides.

    `verb`: as in the journal, "deploy", "plan" or "run NAME". `patterns`: names, globs, @FILE. `config_given`: whether
    the manifest was named. `environment`: its name, `NONE` for none, "" where not given; `environment_typed`: by the
    option, not by the variable. `variables`: of --var, and those `taken_over` from a former run. `as_then`: environment
    and variables are those of a resumed run or a saved plan, even if there are none.

    `failed`, `undone`: of the last run. `now`: without pauses and approvals. `again`, `no_way_back`, `lossy`, `wider`:
    names of functions that may be deployed after a rollback, changed without a way back, rolled back with a loss, made
    public by a rollback. `run`: the run to roll back as typed, "" for the last that changed something. `since`: a time,
    `to`: a Version ID, to which functions return. `follows`: an automatic rollback that follows its run.

    `out`: the file for a saved plan that is valid for `expires_s`, with its packages in the bucket if `upload`. `plan`:
    a saved plan to apply. `log_level`: debug … error, or "auto": warning under a live display, else info. `log_format`:
    console | json.
    """

    verb: str
    config: Path
    state_dir: Path | None = None
    patterns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    config_given: bool = True
    failed: bool = False
    undone: bool = False
    environment: str = ""
    environment_typed: bool = False
    as_then: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    taken_over: frozenset[str] = frozenset()
    sandbox: bool = False
    endpoint: str | None = None
    bucket: str | None = None
    yes: bool = False
    dry_run: bool = False
    detailed_exitcode: bool = False
    simulate: bool = False
    verbose: bool = False
    timings: bool = False
    force: bool = False
    adopt: Adoption = NOTHING
    run_key: str | None = None
    events: str | None = None
    lock_timeout_s: float = 0.0
    start_timeout_s: float = 10.0
    max_outage_s: float = 1800.0
    job: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    status: bool = False
    due: bool = False
    now: bool = False
    no_verify: bool = False
    update_manifest: bool = False
    again: tuple[str, ...] = ()
    no_way_back: tuple[str, ...] = ()
    lossy: tuple[str, ...] = ()
    wider: tuple[str, ...] = ()
    run: str = ""
    since: str = ""
    to: str = ""
    follows: bool = False
    out: Path | None = None
    upload: bool = False
    expires_s: float = 86_400.0
    plan: Path | None = None
    log_level: str = "auto"
    log_format: str = "console"

    @property
    def choice(self) -> ManifestChoice:
        """The environment and variables of the manifest."""
        named, exactly = self.environment, self.as_then or self.environment == NONE
        return ManifestChoice("" if named == NONE else named, self.variables, self.taken_over, exactly=exactly)

    @property
    def by_former_run(self) -> bool:
        """Whether an unnamed former run sets the scope."""
        return self.failed or self.undone or (self.verb == ROLLBACK and not (self.since or self.to or self.run))

    @property
    def skips(self) -> tuple[str, ...]:
        """What is skipped, as recorded in the first event of a run."""
        return tuple(name for name, given in (("pauses", self.now), ("verification", self.no_verify)) if given)


def read_options(verb: str, given: Mapping[str, Any]) -> RunOptions:
    """Return the options of `deploy`, `plan` or `run` from the command line. Raises `UsageError`."""
    given = dict(given)
    job = given.pop("job", "")
    patterns = given.pop("functions", ())
    if verb == ROLLBACK and patterns and _NAMES_A_RUN.match(patterns[0]):
        given["run"], *patterns = patterns
    times: dict[str, Any] = {
        f"{name}_s": seconds(f"--{name.replace('_', '-')}", given.pop(name))
        for name in ("lock_timeout", "start_timeout", "max_outage")
    }
    if (expires := given.pop("expires", None)) is not None:
        times["expires_s"] = seconds("--expires", expires)
    parameters = given.pop("parameters", {}) | dict(typed_parameter(text) for text in given.pop("param", ()))
    config = given.pop("config")
    adopt = typed_adoption(given.pop("adopt", ()))
    names: dict[str, Any] = {key: typed_names(option, given.pop(key, ())) for key, option in NAMING.items()}
    options = RunOptions(
        verb=f"{verb} {job}".strip(),
        config=config or nearest_manifest(),
        config_given=config is not None,
        job=job,
        state_dir=given.pop("state"),
        patterns=tuple(patterns),
        dry_run=verb == "plan" or given.pop("dry_run", False),
        **times,
        parameters=parameters,
        adopt=adopt,
        **names,
        **given,
    )
    for one, other, both in (
        ("--sandbox", "--endpoint", options.sandbox and options.endpoint),
        ("--status", "--due", options.status and options.due),
        ("--due", "--dry-run", options.due and options.dry_run),
        ("--status", "--dry-run", options.status and options.dry_run),
        ("--status", "--update-manifest", options.status and options.update_manifest),
        ("--failed", "--undone", options.failed and options.undone),
    ):
        if both:
            raise UsageError(
                f"{source_of(one)} and {source_of(other)} cannot be combined", advice="keep only one of them"
            )
    _check_saving(options, expires=expires)
    past = bool(options.since) + bool(options.to) + bool(options.run)
    if past > 1:
        raise UsageError("RUN, --since and --to cannot be combined", advice="keep only one of them")
    if options.bucket:
        _check_bucket_name(options.bucket)
    if options.since:
        parse_time(options.since, 0.0)
    if options.simulate and not options.dry_run:
        raise UsageError("--simulate requires --dry-run", advice="it predicts a run without changing anything")
    return options


def _check_bucket_name(bucket: str) -> None:
    """Raise `UsageError` for what the manifest would not accept as a bucket either."""
    from orchestrator.manifest.fields import BUCKET_NAME, PATTERNS  # noqa: PLC0415 - pydantic is slow to import

    if not re.fullmatch(BUCKET_NAME, bucket):
        raise UsageError(f"{as_given('--bucket', bucket)} is not valid", advice=f"it {PATTERNS[BUCKET_NAME]}")


# Options that shape a plan. A saved plan includes them, so they cannot be given with it.
_SHAPING = (
    "patterns", "labels", "failed", "undone", "force", "run_key", "adopt", "again", "no_way_back", "now", "no_verify",
)  # fmt: skip
_CALLED = {"patterns": "FUNCTIONS", "labels": "--label"}


def _check_saving(options: RunOptions, *, expires: str | None) -> None:
    """Check the options for saving a plan. Raises `UsageError`."""
    alone = [name for name, given in (("--upload", options.upload), ("--expires", expires is not None)) if given]
    if alone and options.out is None:
        raise UsageError(f"{alone[0]} requires --out", advice="save the plan with --out FILE")
    if options.out is not None and options.expires_s <= 0:
        raise UsageError(f"--expires {expires}: must be more than 0", advice="write --expires 24h, for example")
    shaping = given_of(options, _SHAPING)
    if shaping and options.plan is not None and options.verb == "deploy":
        raise UsageError(
            f"--plan cannot be combined with {', '.join(shaping)}: a saved plan cannot be changed",
            advice="remove the option, or make a new plan with it: `orchestrator plan … --out FILE`",
        )


def given_of(options: RunOptions, fields: Iterable[str]) -> list[str]:
    """Return the options among `fields` that were given, as typed."""
    given = (name for name in fields if getattr(options, name) not in ((), False, None, NOTHING))
    return [_CALLED.get(name, f"--{name.replace('_', '-')}") for name in given]


def read_place(verb: str, given: Mapping[str, Any]) -> RunOptions:
    """Return the options of a command that only reads runs. It does not wait for a network."""
    return RunOptions(
        verb, given["config"], given["state"], environment=given["environment"], variables=given["variables"],
        endpoint=given["endpoint"], bucket=given["bucket"], start_timeout_s=0.0,
    )  # fmt: skip


def state_dir_of(config: Path, state_dir: Path | None) -> Path:
    """Return the state folder: `.orchestrator/` next to deploy.toml, unless it was given."""
    return state_dir if state_dir is not None else config.absolute().parent / ".orchestrator"


def address_of(manifest: Manifest, endpoint: str | None) -> CloudAddress:
    """Return the address with `--endpoint` in place of the file's. The invocation endpoint of another installation is
    unknown.
    """
    if not endpoint or endpoint.rstrip("/") == manifest.cloud.endpoint.rstrip("/"):
        return manifest.cloud
    return replace(manifest.cloud, endpoint=endpoint, invoke_endpoint=None)


def storage_of(manifest: Manifest, bucket: str | None) -> Storage:
    """Return the storage with `--bucket` in place of the file's."""
    if not bucket:
        return manifest.storage
    return replace(manifest.storage, bucket=bucket, bucket_from=source_of("--bucket", bucket))


def environ_of_commands(manifest: Manifest) -> dict[str, str]:
    """Return the environment of user commands (builds, verifications, gates): this one, with the name of the manifest's
    chosen environment.
    """
    chosen = {ENVIRONMENT: manifest.environment} if manifest.environment else {}
    return {**os.environ, **chosen}


def sandbox_environ(environ: Mapping[str, str], *, key_file: Path) -> dict[str, str]:
    """Return the environment of a sandbox run: only its own credentials, so that no real token reaches it."""
    foreign = ("YC_", "AWS_")
    kept = {name: value for name, value in environ.items() if not name.startswith(foreign)}
    folder_id = environ.get("YC_FOLDER_ID") or SANDBOX_FOLDER
    return kept | {"YC_FOLDER_ID": folder_id, "YC_SERVICE_ACCOUNT_KEY_FILE": str(key_file)}
