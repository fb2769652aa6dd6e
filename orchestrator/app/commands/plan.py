"""`plan`: shows what `deploy` would do, in one environment of the manifest or in all of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.app.session.carry_out import deploy_selected
from orchestrator.app.session.invocation import invoke
from orchestrator.app.session.options import RunOptions, given_of, read_options
from orchestrator.errors import CloudError, Exit, ManifestError, NotHereError, OrchestratorError, UsageError
from orchestrator.manifest.environments.choosing import EVERY, ManifestChoice
from orchestrator.manifest.load import Looks, survey
from orchestrator.manifest.variables.given_by import as_given, without
from orchestrator.model import Plan
from orchestrator.report.environment_views import EnvironmentPlan, EnvironmentsView
from orchestrator.report.messages import Messages, with_facts
from orchestrator.report.views import CommandResult, PlanView

_OF_ONE = ("out", "simulate", "failed", "undone")


def plan_command(given: Mapping[str, Any], messages: Messages) -> CommandResult:
    """Run `plan`. With --detailed-exitcode, the code is 0 for no changes, 1 for an error, 2 for changes."""
    options = read_options("plan", given)
    try:
        if options.environment == EVERY:
            return _plan_all(options, messages)
        return invoke(options, messages, deploy_selected)
    except OrchestratorError as error:
        if options.detailed_exitcode:
            error.exit = Exit.FAILED  # 2 would mean that there are changes
        raise


def _plan_all(options: RunOptions, messages: Messages) -> CommandResult:
    """Plan each environment on its own and return the worst exit code. A mistake in one environment is shown as its
    plan and does not stop the others. Raises `UsageError`, and `InterruptedRunError` for all of them.
    """
    if given := given_of(options, _OF_ONE):
        raise UsageError(
            f"{given[0]} works on one environment", advice="choose it with --env NAME, or remove the option"
        )
    looks = Looks()
    choice = ManifestChoice("", options.variables, exactly=True)
    found = survey(options.config, os.environ, choice=choice, looks=looks)
    if not found.manifest.environments:
        raise UsageError(
            f"{as_given('--env', EVERY)}: {found.manifest.path.name} declares no environments",
            advice=f"declare [environments.NAME] there, or {without('--env', EVERY)}",
        )
    names = found.manifest.environments
    plans = tuple(_plan_one(replace(options, environment=name), messages, looks) for name in names)
    codes = [one.exit for one in plans]
    worst = Exit.FAILED if options.detailed_exitcode and Exit.FAILED in codes else max(codes)
    return CommandResult(worst, EnvironmentsView(plans, options.verbose))


def _plan_one(options: RunOptions, messages: Messages, looks: Looks) -> EnvironmentPlan:
    name, plan = options.environment, Plan(())
    messages.mention(f"planning environment {name}")
    try:
        result = invoke(options, messages, deploy_selected, looks)
    except NotHereError as error:
        others = tuple(one for one in options.patterns if one != error.function)
        return _plan_one(replace(options, patterns=others), messages, looks) if others else EnvironmentPlan(name, plan)
    except OrchestratorError as error:
        if error.exit == Exit.INTERRUPTED:
            raise
        cause = with_facts(error) if isinstance(error, CloudError) else error.message
        mistakes = tuple(map(str, error.mistakes)) if isinstance(error, ManifestError) else ()
        code = Exit.FAILED if options.detailed_exitcode else error.exit
        advice = f"; {error.advice}" if error.advice else ""
        return EnvironmentPlan(name, None, code, f"{cause}{advice}", mistakes)
    return EnvironmentPlan(name, result.view.plan if isinstance(result.view, PlanView) else plan, result.exit)
