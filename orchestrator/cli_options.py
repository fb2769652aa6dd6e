"""The options that several verbs share, and the rules for every option."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from orchestrator.errors import UsageError
from orchestrator.manifest.includes.upward import nearest_manifest
from orchestrator.report.formats import FORMATS

F = TypeVar("F", bound=Callable[..., Any])


def options(*several: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that adds several options in their order."""

    def apply(command: F) -> F:
        for one in reversed(several):
            command = one(command)
        return command

    return apply


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """Return an option with its environment variable, `ORCHESTRATOR_…`, which is the same for all verbs."""
    name = next(name for name in names if name.startswith("--")).split("/")[0].removeprefix("--")
    attributes.setdefault("envvar", f"ORCHESTRATOR_{name.upper().replace('-', '_')}")
    return click.option(*names, show_envvar=True, **attributes)


class Selecting(click.Option):
    """An option that selects. Raises `UsageError` where its environment variable is set but empty.

    Click ignores empty variables: the run would then cover everything. An empty variable of a flag means "off", which
    is safe.
    """

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        for name in (self.envvar, f"{ctx.auto_envvar_prefix}_{str(self.name).upper()}"):
            if isinstance(name, str) and not os.environ.get(name, "unset").strip():
                raise UsageError(f"{name} is empty: it selects nothing", advice="set it to a value, or unset it")
        return super().resolve_envvar_value(ctx)


def _variables(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Parse --var NAME=VALUE. The last value of a name wins."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not _VARIABLE.fullmatch(name):
            raise UsageError(
                f"--var {name}: expected NAME=VALUE",
                advice="a name has letters, digits and _, and does not begin with a digit",
            )
        found[name] = value
    return found


def _environment(context: click.Context, asked: click.Parameter, name: str) -> str:
    """Return --env, and record whether it was typed: a variable is not enough for a protected environment."""
    typed = context.get_parameter_source(str(asked.name)) is ParameterSource.COMMANDLINE
    context.params["environment_typed"] = typed and bool(name)
    return name


_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")

choosing = options(
    option(
        "--env", "environment", cls=Selecting, default="", metavar="NAME", callback=_environment,
        help="Environment of the manifest.",
    ),
    click.option(
        "--var", "variables", multiple=True, metavar="K=V", callback=_variables, allow_from_autoenv=False,
        help="Variable of the manifest; wins over all other values. Repeatable.",
    ),
)  # fmt: skip
config = option("--config", "-c", type=click.Path(path_type=Path), default="deploy.toml", help="Manifest file.")
found_config = option(
    "--config", "-c", type=click.Path(path_type=Path), default=nearest_manifest,
    help="Manifest file. Default: deploy.toml in this folder or the nearest one above.",
)  # fmt: skip
state = option(
    "--state", type=click.Path(path_type=Path), help="State folder. Default: .orchestrator next to the manifest."
)  # fmt: skip
output = option("--output", "-o", type=click.Choice(list(FORMATS)), default="text", help="Output format.")
logging = options(
    option(
        "--log-level", type=click.Choice(["auto", "debug", "info", "warning", "error"]), default="auto",
        help="Minimum level. auto: warning on a terminal, else info without a line per function.",
    ),
    option("--log-format", type=click.Choice(["console", "json"]), default="console", help="Log format."),
)  # fmt: skip


label = option(
    "--label", "-l", "labels", cls=Selecting, multiple=True, metavar="K=V",
    help="Select only functions with this label.",
)  # fmt: skip
selection = options(
    click.argument("functions", nargs=-1),
    label,
    option("--failed", is_flag=True, help="Select only functions that failed in the last run."),
    option("--undone", is_flag=True, help="Select only functions that the last run left failed, cancelled or unknown."),
)
place = options(
    state,
    option("--endpoint", metavar="URL", help="API endpoint of another installation of the cloud."),
    option("--bucket", help="Bucket for packages and run records. Default: that of the manifest."),
)
manifest = options(found_config, choosing)
known = options(manifest, place, output)
perhaps_config = option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    help="Manifest file. Default: deploy.toml in this folder or the nearest one above.",
)
reaching = options(
    place,
    option("--lock-timeout", default="0s", metavar="DURATION", help="Maximum wait for another run to end."),
    option("--start-timeout", default="10s", metavar="DURATION", help="Maximum wait for the first response."),
    option("--max-outage", default="30m", metavar="DURATION", help="Maximum outage to wait for before giving up."),
    output,
    logging,
)  # fmt: skip
reach = options(perhaps_config, choosing, reaching)
sandbox = option("--sandbox", is_flag=True, help="Use the built-in sandbox: no account, no network.")
cloud = options(
    sandbox,
    option(
        "--adopt", multiple=True, metavar="[NAME@VERSION]",
        help="Accept that live versions lose settings: all of them, or this one.",
    ),
    reach,
)  # fmt: skip
param = click.option(
    "--param", "-p", cls=Selecting, multiple=True, metavar="K=V",
    help="Job parameter; wins over [jobs.JOB]. Repeatable.",
)  # fmt: skip
reporting = options(
    option("--html", metavar="FILE", help="Write a self-contained HTML page to FILE; - is stdout."),
    option("--md", "as_markdown", is_flag=True, help="Short for --output markdown."),
    option("--json", "as_json", is_flag=True, help="Short for --output json: every step of every function."),
)
timings = option("--timings", is_flag=True, help="Show how long each step took, time in the queue included.")
events = options(option("--events", metavar="FILE", help="Write every event to FILE as NDJSON."), timings)
force = option("--force", is_flag=True, help="Create new versions of unchanged functions too.")
verbose = option(
    "--verbose", "-v", is_flag=True, help="List what a plan only counts: unchanged functions, files, excluded files."
)
changing_back = options(
    verbose,
    option("--yes", "-y", is_flag=True, help="Skip the confirmation prompt."),
    option("--dry-run", is_flag=True, help="Print the plan without changing anything."),
    events,
)
taking_back = options(
    click.argument("functions", nargs=-1, metavar="[RUN] [FUNCTIONS]..."),
    label,
    option(
        "--since", default="", metavar="TIME",
        help="Restore what was live at TIME (ISO 8601, or an age such as 2h), by the cloud's own history.",
    ),
    option("--to", default="", metavar="VERSION", help="Roll one function back to a copy of this version."),
)  # fmt: skip
changing = options(
    changing_back,
    option("--run-key", metavar="TEXT", help="Idempotency key for --force: a key never creates a second version."),
)
saving = options(
    option(
        "--out", type=click.Path(path_type=Path), metavar="FILE",
        help="Save the plan to FILE, for deploy --plan FILE.",
    ),
    option("--upload", is_flag=True, help="With --out: upload the packages now, so that deploy needs no sources."),
    option("--expires", metavar="DURATION", help="With --out: validity of the plan. Default: 24h."),
)  # fmt: skip
saved = option(
    "--plan", type=click.Path(path_type=Path), metavar="FILE", help="Apply this saved plan and nothing else."
)
plan_of_run = option(
    "--plan", type=click.Path(path_type=Path), metavar="FILE",
    help="Saved plan of RUN, if the file was moved.",
)  # fmt: skip
skips = options(
    option("--now", is_flag=True, help="Skip pauses and approvals. The run records this."),
    option("--no-verify", is_flag=True, help="Skip the verification of new versions. The run records this."),
)
agreeing = options(
    option(
        "--again",
        multiple=True,
        metavar="NAMES",
        help="Deploy these functions (names, globs) again although they were rolled back.",
    ),
    option("--no-way-back", multiple=True, metavar="NAMES", help="Change these even if they cannot be rolled back."),
)
lossy = option("--lossy", multiple=True, metavar="NAMES", help="Roll these back without the refused settings.")
wider = option("--wider", multiple=True, metavar="NAMES", help="Make these public again if they were before.")
simulate = option("--simulate", is_flag=True, help="In a dry run: predict the duration and what limits it.")
pruning = options(
    option(
        "--keep", type=click.IntRange(1), default=5, show_default=True, help="Number of newest versions to keep."
    ),
    option(
        "--runs", type=click.IntRange(0), default=10, show_default=True,
        help="Number of last runs of each function that can still be rolled back: their versions are kept.",
    ),
    option(
        "--all", "everything", is_flag=True, envvar="ORCHESTRATOR_PRUNE_ALL",
        help="Also delete versions made by other means: their code exists nowhere else.",
    ),
    option(
        "--only", metavar="versions,packages,records", multiple=True,
        help="Kinds to delete: versions, packages in the bucket, run records there. Repeatable."
        "  [default: all; only versions where FUNCTIONS are selected]",
    ),
)  # fmt: skip
importing = options(
    click.argument("functions", nargs=-1),
    label,
    option("--folder", "folders", cls=Selecting, multiple=True, metavar="ID", help="Folder to import. Repeatable."),
    option("--cloud", "cloud_id", metavar="ID", help="Import every folder of this cloud."),
    option(
        "--out", type=click.Path(path_type=Path), metavar="FILE", envvar="ORCHESTRATOR_IMPORT_OUT",
        help="Write to FILE. Default: stdout.",
    ),
    option(
        "--from", "terraform", type=click.Path(path_type=Path), metavar="FILE",
        help="Import the functions of a Terraform state, with the settings that it declares.",
    ),
    option("--replace", is_flag=True, help="Overwrite an existing file."),
    option("--update", is_flag=True, help="Update the existing manifest from the live state, in place."),
    option("--yes", "-y", is_flag=True, help="Skip the confirmation prompt."),
    option("--dry-run", is_flag=True, help="With --update: show the changes without writing them."),
    choosing,
    sandbox,
    perhaps_config,
    reaching,
)  # fmt: skip
serving = options(
    option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8020,
        show_default=True,
        help="Port to listen on; 0 is any free port.",
    ),
    config,
    state,
    option("--bucket", "buckets", multiple=True, help="Bucket that exists from the start. Repeatable."),
    option("--latency", default="0s", metavar="DURATION", help="Delay of every response."),
    option(
        "--durations", default="lognormal:1.2,0.4", show_default=True, metavar="SPEC",
        help="Duration of Operations in seconds: lognormal:MEDIAN,SIGMA | fixed:S | LOW-HIGH, or W*SPEC+W*SPEC.",
    ),
    option(
        "--quota", "quotas", multiple=True, metavar="NAME=N",
        help="Quota to enforce: operations_per_function, operations_per_folder, operations_per_cloud,"
        " requests_per_second …. Repeatable.",
    ),
    option(
        "--quota-at",
        "quota_changes",
        multiple=True,
        metavar="DURATION:NAME=N",
        help="Quota to enforce from this time after the first Operation on. Repeatable.",
    ),
    option("--no-quota-manager", is_flag=True, help="Make quota-manager refuse every request."),
    option("--no-quota-details", is_flag=True, help="Leave the name of the quota out of refusals."),
    option(
        "--creating", default="visible", show_default=True, metavar="visible|hidden|DURATION|SHARE",
        help="Versions in creation in listings: visible, hidden, visible after a DURATION, or a SHARE of them (80%).",
    ),
    option(
        "--seed", "seeds", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
        help="Initial folders, accounts, secrets, functions and responses (TOML, or *.json). Repeatable.",
    ),
    option("--poll-interval", type=int, metavar="SECONDS", help="Poll interval to suggest in responses."),
    option("--faults", type=int, metavar="SEED", help="Seed of random faults: 503, lost responses, failed builds …"),
    option("--record", type=click.Path(path_type=Path), help="Append every call with its body to a file, as NDJSON."),
    click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Stop when the parent process ends."),
)  # fmt: skip
