"""The request of a command: its options and its manifest. Nothing is opened for it."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.app.session.chains.left import Left
from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.notices.unstarted import watch_start
from orchestrator.app.session.options import RunOptions, sandbox_environ, state_dir_of
from orchestrator.errors import ManifestError
from orchestrator.job.binding import job_check
from orchestrator.journal.identity import NOTHING_KNOWN, Identity
from orchestrator.manifest.load import Survey, survey
from orchestrator.model import Manifest
from orchestrator.planning.selection import canary_mistakes
from orchestrator.redaction.redactor import Redactor

_TELLING = 16  # characters of a URL path that may be a token
_READING = ("why", "render")  # verbs that change nothing and have no --dry-run


@dataclass(frozen=True, slots=True)
class Request:
    """The options, the manifest and the scope of a command.

    `left`: what --failed or --undone selects, None without them. `variables`: those of the manifest and of `--var`;
    secrets among them are never shown. `survey`: the origins of the manifest's values, if it is to be written.
    """

    options: RunOptions
    environ: Mapping[str, str]
    state_dir: Path
    manifest: Manifest
    identity: Identity = NOTHING_KNOWN
    left: Left | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    survey: Survey | None = None

    @property
    def what(self) -> str:
        """The verb and the environment, shown to other commands that wait for this one."""
        environment = self.manifest.environment
        return f"{self.options.verb} --env {environment}" if environment else self.options.verb


def read_request(invocation: Invocation, *, has_sources: bool = True) -> Request:
    """Read the manifest and report its warnings. Opens nothing. `has_sources`: see `load_for_run`.

    Raises `ManifestError` for mistakes that stop every run.
    """
    return read_surveyed(invocation, has_sources=has_sources)[0]


def read_surveyed(invocation: Invocation, *, has_sources: bool = True, folder_id: str = "") -> tuple[Request, Survey]:
    """Read it as `read_request` does, and return the origins of its values too. `folder_id`: for functions that get
    none from anywhere, not even the environment; "" makes that a mistake.
    """
    options = invocation.options
    environ: Mapping[str, str] = os.environ
    if folder_id and not environ.get("YC_FOLDER_ID"):
        environ = {**environ, "YC_FOLDER_ID": folder_id}
    state_dir = state_dir_of(options.config, options.state_dir)
    if options.sandbox:
        environ = sandbox_environ(environ, key_file=state_dir / "sandbox" / "key.json")
    project = options.config.absolute().parent
    check = job_check(project, only=options.job, typed=options.parameters) if options.job else None
    found = survey(
        options.config, environ, check, has_sources=has_sources, choice=options.choice, looks=invocation.looks
    )
    manifest = found.manifest
    hidden = {**found.variables, **options.variables}
    invocation.messages.environment = manifest.environment
    invocation.messages.outlet.redactor.protect((manifest.environment, *manifest.environments))
    _hide(invocation.messages.outlet.redactor, manifest, hidden)
    watch_start(invocation, options, manifest, environ, state_dir)
    if found.general:
        raise ManifestError(found.mistakes)
    gc.freeze()  # it lives as long as the command: the garbage collector need not scan it again
    if lost := canary_mistakes(manifest):
        raise ManifestError(lost)
    for warning in manifest.warnings:
        invocation.messages.warn(warning)
    asked = options.environment == "" and (options.dry_run or options.verb in _READING)
    if asked and manifest.environments and not manifest.environment:
        names = ", ".join(manifest.environments)
        invocation.messages.mention(f"no environment chosen: select one with --env: {names}")
    request = Request(
        options, environ, state_dir, manifest, variables=hidden, survey=found if options.update_manifest else None
    )
    return request, found


def _hide(redactor: Redactor, manifest: Manifest, variables: Mapping[str, str]) -> None:
    redactor.add_variables(variables)
    for spec in manifest.functions.values():
        redactor.add_function(spec)
    for hook in manifest.notify:
        redactor.protect((hook.name, *hook.on))
        for secret in (hook.url, hook.url.partition("://")[2].partition("/")[2], hook.secret):
            if secret == hook.secret or len(secret) >= _TELLING:  # a short path is an ordinary word
                redactor.add(secret)
    for job in manifest.jobs.values():
        redactor.protect((job.name, job.run))
        redactor.add_variables({name: value for name, value in job.parameters.items() if isinstance(value, str)})
