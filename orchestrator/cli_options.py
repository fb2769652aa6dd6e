"""The options that several verbs share, and what holds for every option."""

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
    """Make one decorator of several options, in their order."""

    def apply(command: F) -> F:
        for one in reversed(several):
            command = one(command)
        return command

    return apply


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """Every option has its environment variable, ORCHESTRATOR_…, the same for all verbs."""
    name = next(name for name in names if name.startswith("--")).split("/")[0].removeprefix("--")
    attributes.setdefault("envvar", f"ORCHESTRATOR_{name.upper().replace('-', '_')}")
    return click.option(*names, show_envvar=True, **attributes)


class Selecting(click.Option):
    """An option that selects. Its environment variable has a value where there is one: dropped like others that are
    empty, it would let a run be about everything. A switch is just off then, and needs no such care.
    """

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        for name in (self.envvar, f"{ctx.auto_envvar_prefix}_{str(self.name).upper()}"):
            if isinstance(name, str) and not os.environ.get(name, "unset").strip():
                raise UsageError(f"{name} is empty: it selects nothing", advice="give it a value, or unset it")
        return super().resolve_envvar_value(ctx)


def _variables(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Read --var: NAME=VALUE, the last one of a name."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not _VARIABLE.fullmatch(name):
            raise UsageError(
                f"--var {name}: this is no variable with its value",
                advice="write --var NAME=VALUE; a name has letters, digits and _, and no digit first",
            )
        found[name] = value
    return found


def _environment(context: click.Context, asked: click.Parameter, name: str) -> str:
    """Read --env, and remember whether it was typed: for a protected environment a variable does not count."""
    typed = context.get_parameter_source(str(asked.name)) is ParameterSource.COMMANDLINE
    context.params["environment_typed"] = typed and bool(name)
    return name


_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")

choosing = options(
    option(
        "--env", "environment", cls=Selecting, default="", metavar="NAME", callback=_environment,
        help="The environment of the manifest.",
    ),
    click.option(
        "--var", "variables", multiple=True, metavar="K=V", callback=_variables, allow_from_autoenv=False,
        help="A variable of the manifest, over all others.",
    ),
)  # fmt: skip
config = option("--config", "-c", type=click.Path(path_type=Path), default="deploy.toml", help="The manifest.")
found_config = option(
    "--config", "-c", type=click.Path(path_type=Path), default=nearest_manifest,
    help="The manifest; default: deploy.toml, here or in the nearest folder above.",
)  # fmt: skip
state = option(
    "--state", type=click.Path(path_type=Path), help="The state folder; default: .orchestrator beside the manifest."
)  # fmt: skip
output = option("--output", "-o", type=click.Choice(list(FORMATS)), default="text", help="The form of the data.")
logging = options(
    option(
        "--log-level", type=click.Choice(["auto", "debug", "info", "warning", "error"]), default="auto",
        help="The least level shown; auto: warning on a terminal, info elsewhere, and no line for each function.",
    ),
    option("--log-format", type=click.Choice(["console", "json"]), default="console", help="The form of the logs."),
)  # fmt: skip


label = option(
    "--label", "-l", "labels", cls=Selecting, multiple=True, metavar="K=V", help="Only functions with this label."
)
selection = options(
    click.argument("functions", nargs=-1),
    label,
    option("--failed", is_flag=True, help="Only what failed in the last run."),
    option("--undone", is_flag=True, help="Only what the last run left undone: failed, cancelled, unknown."),
)
place = options(
    state,
    option("--endpoint", metavar="URL", help="Another installation of the cloud."),
    option("--bucket", help="The bucket for packages and records of runs, instead of the manifest's."),
)
manifest = options(found_config, choosing)
known = options(manifest, place, output)
perhaps_config = option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    help="The manifest; default: deploy.toml, here or in the nearest folder above.",
)
reaching = options(
    place,
    option("--lock-timeout", default="0s", metavar="DURATION", help="Wait this long for another run to end."),
    option("--start-timeout", default="10s", metavar="DURATION", help="Try this long to get a first answer."),
    option("--max-outage", default="30m", metavar="DURATION", help="Pause this long in an outage, then give up."),
    output,
    logging,
)  # fmt: skip
reach = options(perhaps_config, choosing, reaching)
sandbox = option("--sandbox", is_flag=True, help="Work in the embedded sandbox: no account, no network.")
cloud = options(
    sandbox,
    option("--adopt", multiple=True, metavar="[NAME@VERSION]", help="Let all live versions lose settings, or one."),
    reach,
)
param = click.option(
    "--param", "-p", cls=Selecting, multiple=True, metavar="K=V", help="A parameter of the job, over [jobs.JOB]."
)
reporting = options(
    option("--html", metavar="FILE", help="Write a page to look at: one file, which loads nothing; -: to stdout."),
    option("--md", "as_markdown", is_flag=True, help="As Markdown: the same as --output markdown."),
    option("--json", "as_json", is_flag=True, help="As JSON, every step of every function: --output json."),
)
timings = option("--timings", is_flag=True, help="Show how long each step of a function took, the queue too.")
events = options(option("--events", metavar="FILE", help="Write every event to a file as NDJSON."), timings)
force = option("--force", is_flag=True, help="Make new versions of unchanged functions too.")
verbose = option(
    "--verbose", "-v", is_flag=True, help="Name what a plan only counts: unchanged, files, left out of packages."
)
changing_back = options(
    verbose,
    option("--yes", "-y", is_flag=True, help="Do not ask."),
    option("--dry-run", is_flag=True, help="Print the plan and change nothing."),
    events,
)
taking_back = options(
    click.argument("functions", nargs=-1, metavar="[RUN] [FUNCTIONS]..."),
    label,
    option(
        "--since", default="", metavar="TIME", help="Go back to this time (ISO 8601, or 2h: ago), as the cloud knows."
    ),
    option("--to", default="", metavar="VERSION", help="Let one function go back to a copy of this version."),
)
changing = options(
    changing_back,
    option("--run-key", metavar="TEXT", help="Of forced versions: the same key never makes a second one."),
)
saving = options(
    option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Save the plan, for deploy --plan FILE."),
    option("--upload", is_flag=True, help="With --out: store the packages too, so that it needs no source later."),
    option("--expires", metavar="DURATION", help="With --out: for how long it may be applied; default: 24h."),
)
saved = option(
    "--plan", type=click.Path(path_type=Path), metavar="FILE", help="Carry out just what this saved plan says."
)
plan_of_run = option(
    "--plan", type=click.Path(path_type=Path), metavar="FILE",
    help="Where the saved plan that RUN carries out lies now, if not where it was.",
)  # fmt: skip
skips = options(
    option("--now", is_flag=True, help="Skip pauses and approvals; the run's record says so."),
    option("--no-verify", is_flag=True, help="Verify no new versions; the run's record says so."),
)
agreeing = options(
    option(
        "--again",
        multiple=True,
        metavar="NAMES",
        help="Deploy these (names, globs) again though they were rolled back.",
    ),
    option("--no-way-back", multiple=True, metavar="NAMES", help="Change these though they cannot be rolled back."),
)
lossy = option("--lossy", multiple=True, metavar="NAMES", help="Roll these back without the settings that are refused.")
wider = option("--wider", multiple=True, metavar="NAMES", help="Let anybody invoke these again, if that was so before.")
simulate = option("--simulate", is_flag=True, help="With a dry run: predict how long it takes, and what bounds it.")
pruning = options(
    option(
        "--keep", type=click.IntRange(1), default=5, show_default=True, help="How many of the newest versions stay."
    ),
    option(
        "--runs", type=click.IntRange(0), default=10, show_default=True,
        help="Of how many last runs of a function the versions stay, so that these can be rolled back.",
    ),
    option(
        "--all", "everything", is_flag=True, envvar="ORCHESTRATOR_PRUNE_ALL",
        help="Versions that this tool has not made go, too: their code exists nowhere else.",
    ),
    option(
        "--only", metavar="versions,packages,records", multiple=True,
        help="What is pruned: versions, packages in the bucket, records of runs there."
        "  [default: all of it; versions alone where FUNCTIONS are selected]",
    ),
)  # fmt: skip
importing = options(
    click.argument("functions", nargs=-1),
    label,
    option("--folder", "folders", cls=Selecting, multiple=True, metavar="ID", help="A folder; may be given again."),
    option("--cloud", "cloud_id", metavar="ID", help="Every folder of a cloud."),
    option(
        "--out", type=click.Path(path_type=Path), metavar="FILE", envvar="ORCHESTRATOR_IMPORT_OUT",
        help="Write to a file; default: stdout.",
    ),
    option(
        "--from", "terraform", type=click.Path(path_type=Path), metavar="FILE",
        help="A Terraform state: which functions, and what is declared of them.",
    ),
    option("--replace", is_flag=True, help="Write over a file that is there."),
    option("--update", is_flag=True, help="Put what is live into the manifest that there is, in place."),
    option("--yes", "-y", is_flag=True, help="Do not ask."),
    option("--dry-run", is_flag=True, help="With --update: show the changes, and write nothing."),
    choosing,
    sandbox,
    perhaps_config,
    reaching,
)  # fmt: skip
serving = options(
    option("--port", type=click.IntRange(0, 65535), default=8020, show_default=True, help="0: any free port."),
    config,
    state,
    option("--bucket", "buckets", multiple=True, help="A bucket that exists from the start; may be given again."),
    option("--latency", default="0s", metavar="DURATION", help="Added to every answer."),
    option(
        "--durations", default="lognormal:1.2,0.4", show_default=True, metavar="SPEC",
        help="How long Operations take, in seconds: lognormal:MEDIAN,SIGMA | fixed:S | LOW-HIGH, or W*SPEC+W*SPEC.",
    ),
    option(
        "--quota", "quotas", multiple=True, metavar="NAME=N",
        help="A quota that is enforced: operations_per_function, operations_per_folder, operations_per_cloud,"
        " requests_per_second …; may be given again.",
    ),
    option(
        "--quota-at",
        "quota_changes",
        multiple=True,
        metavar="DURATION:NAME=N",
        help="The same, so long after the first Operation.",
    ),
    option("--no-quota-manager", is_flag=True, help="Let quota-manager refuse to tell the quotas."),
    option("--no-quota-details", is_flag=True, help="Let refusals not say which quota is used up."),
    option(
        "--creating", default="visible", show_default=True, metavar="visible|hidden|DURATION|SHARE",
        help="Whether listings show versions while they are made, or only after so long, or only so many each (80%).",
    ),
    option(
        "--seed", "seeds", type=click.Path(path_type=Path), multiple=True, metavar="FILE",
        help="What it has from the start: folders, accounts, secrets, functions, answers of calls (TOML, or *.json).",
    ),
    option("--poll-interval", type=int, metavar="SECONDS", help="What answers ask for: x-operation-poll-interval."),
    option(
        "--faults", type=int, metavar="SEED", help="Draw faults (503, lost answers, failed builds …) from this seed."
    ),
    option("--record", type=click.Path(path_type=Path), help="Add each call with its body to a file, as NDJSON."),
    click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Stop with the parent process."),
)  # fmt: skip
