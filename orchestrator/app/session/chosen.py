"""Whether a command may change the live state of its environment, and the confirmation it needs."""

from __future__ import annotations

from orchestrator.app.session.invocation import Invocation
from orchestrator.app.session.opening.request import Request, read_request
from orchestrator.app.session.options import RunOptions
from orchestrator.app.session.session import Session
from orchestrator.errors import UsageError
from orchestrator.journal.identity import NONE
from orchestrator.model import Manifest
from orchestrator.report.display.displays import Question, confirm, may_ask


def request_to_change(invocation: Invocation, *, has_sources: bool = True) -> Request:
    """Read the manifest as `read_request` does, for a command that may change the live state. Raises `UsageError` as
    `check_chosen` does.
    """
    request = read_request(invocation, has_sources=has_sources)
    check_chosen(request.options, request.manifest)
    return request


def check_chosen(options: RunOptions, manifest: Manifest) -> None:
    """Check that the environment of a change was chosen. A dry run and a board change nothing. Raises `UsageError`.

    | environments | the one that counts | given                              | a change              |
    | ---          | ---                 | ---                                | ---                   |
    | none         | none                | nothing                            | yes                   |
    | some         | none                | nothing                            | no                    |
    | some         | none                | the resumed run had none           | yes                   |
    | some         | none                | --env none, for a former run       | yes                   |
    | some         | one                 | --env, ORCHESTRATOR_ENV, `default` | yes                   |
    | some         | a protected one     | any, and there is a terminal       | its name is typed     |
    | some         | a protected one     | --env and --yes, no terminal       | yes                   |
    | some         | a protected one     | less, no terminal                  | no                    |
    """
    if options.dry_run or options.status:
        return
    require_environment(options, manifest)
    name = manifest.environment
    if not manifest.protected or may_ask():
        return
    needed = ((f"--env {name}", options.environment_typed), ("--yes", options.yes))
    if lacking := [option for option, given in needed if not given]:
        not_so = "" if options.environment_typed else "; the environment variable is not enough"
        raise UsageError(
            f"the environment {name} is protected, and there is no terminal to confirm its name",
            advice=f"add {' and '.join(lacking)}{not_so}",
        )


def require_environment(options: RunOptions, manifest: Manifest) -> None:
    """Check that an environment is chosen where some are declared, or that a former run without one is meant. Raises
    `UsageError`.
    """
    if not manifest.environments or manifest.environment or options.as_then:
        return
    former = options.by_former_run
    if former and options.environment == NONE:
        return
    raise UsageError(
        f"{manifest.path.name} has environments, and none is chosen: nothing is changed without one"
        f"{', except by a former run that had none' if options.environment == NONE else ''}",
        advice=f"choose one: {' or '.join(f'--env {one}' for one in manifest.environments)}"
        f"{f'; for runs without an environment: --env {NONE}' if former else ''}",
    )


async def agree(session: Session, what: str, to: Question) -> None:
    """Prompt for confirmation: for the name of a protected environment, else for a yes. The sandbox and follow-up runs
    need none. Raises as `confirm` does.
    """
    options, manifest = session.request.options, session.request.manifest
    if options.follows:
        return
    protected = manifest.environment if manifest.protected else ""
    with session.stop.interruptible():
        await confirm(session.messages, what, yes=options.yes or options.sandbox, to=to, protected=protected)


async def agree_again(session: Session, what: str) -> None:
    """Prompt before a run is resumed in a protected environment. Elsewhere the first confirmation is enough."""
    if session.request.manifest.protected:
        await agree(session, f"environment {session.request.manifest.environment}: {what}", Question.RESUME)
