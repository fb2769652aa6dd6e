"""Which options each verb takes: shared options have the same names everywhere, and work after each verb."""

from __future__ import annotations

import click
import pytest

from orchestrator.cli import cli

CHANGES = ("deploy", "run", "resume", "promote", "rollback", "prune")
# A different option in each verb, so with different variables.
OTHERWISE = {"--all", "--out", "--list"}
PLANS = ("deploy", "run", "resume", "promote", "plan")
REACHES = (*CHANGES, "plan", "why", "import", "package")  # contact the cloud
LOOKS = (*REACHES, "runs", "show", "report")  # read runs
MANIFEST = LOOKS  # read a manifest
# option → the verbs that take it
TABLE = {
    "--config -c": (*LOOKS, "jobs", "validate", "render", "init", "sandbox", "ui"),
    "--env": (*MANIFEST, "jobs", "validate", "render", "ui"),
    "--var": (*MANIFEST, "jobs", "validate", "render", "ui"),
    "--output -o": (*LOOKS, "jobs", "validate", "render", "init"),
    "--state": (*LOOKS, "sandbox", "ui"),
    "--endpoint": (*LOOKS, "ui"),
    "--bucket": (*LOOKS, "init", "sandbox", "ui"),
    "--port": ("sandbox", "ui"),
    "--lock-timeout": REACHES,
    "--start-timeout": REACHES,
    "--max-outage": REACHES,
    "--log-level": REACHES,
    "--log-format": REACHES,
    "--yes -y": (*CHANGES, "init", "import"),
    "--events": CHANGES,
    "--junit": CHANGES,
    "--ci": (*CHANGES, "plan", "validate"),
    "--code-quality": (*CHANGES, "plan", "validate"),
    "--timings": (*CHANGES, "show"),
    "--param -p": ("run", "resume", "promote", "why"),
    "--sandbox": (
        "deploy",
        "run",
        "plan",
        "why",
        "rollback",
        "prune",
        "import",
        "package",
        "ui",
    ),  # a run knows its own installation
    "--adopt": ("deploy", "run", "plan", "why"),  # consent is recorded in the run
    "--label -l": ("deploy", "run", "plan", "rollback", "prune", "import", "render"),
    "--failed": ("deploy", "run", "plan", "prune"),
    "--undone": ("deploy", "run", "plan", "prune"),
    "--verbose -v": ("deploy", "run", "plan", "rollback", "prune", "render", "package", "jobs"),
    "--dry-run": ("deploy", "run", "rollback", "prune", "import"),
    "--run-key": ("deploy", "run"),
    "--force": ("deploy", "plan"),  # a job has `force`
    "--simulate": ("deploy", "plan", "run"),
    "--now": PLANS,
    "--no-verify": PLANS,
    "--again": PLANS,
    "--no-way-back": PLANS,
    "--plan": ("deploy", "resume", "promote"),
}


def options_of(verb: str) -> dict[str, click.Option]:
    found = (one for one in cli.commands[verb].params if isinstance(one, click.Option))
    return {" ".join(one.opts): one for one in found}


@pytest.mark.parametrize("verb", cli.commands)
def test_a_verb_takes_just_the_shared_options_that_concern_it(verb: str) -> None:
    shared = {option for option in options_of(verb) if option in TABLE}
    assert shared == {option for option, verbs in TABLE.items() if verb in verbs}


@pytest.mark.parametrize("option", TABLE)
def test_a_shared_option_is_the_same_everywhere(option: str) -> None:
    kinds = {(one.envvar, one.is_flag, one.type.name) for verb in cli.commands if (one := options_of(verb).get(option))}
    assert len(kinds) == 1


@pytest.mark.parametrize("verb", CHANGES)
@pytest.mark.parametrize("spelled", ["--yes", "-y"])
def test_a_change_takes_yes_wherever_it_stands(verb: str, spelled: str) -> None:
    argument = "last" if verb == "resume" else "thing"
    for arguments in ([spelled, argument], [argument, spelled]):
        context = cli.commands[verb].make_context(verb, list(arguments))
        assert context.params["yes"] is True


def test_no_option_is_in_two_verbs_and_not_in_the_table() -> None:
    verbs: dict[str, list[str]] = {}
    for verb in cli.commands:
        for option in options_of(verb):
            verbs.setdefault(option, []).append(verb)
    assert {option for option, found in verbs.items() if len(found) > 1} == set(TABLE) | OTHERWISE


@pytest.mark.parametrize("option", sorted(OTHERWISE))
def test_what_only_has_the_same_name_has_a_variable_of_its_own(option: str) -> None:
    found = [one.envvar for verb in cli.commands if (one := options_of(verb).get(option))]
    assert len(found) == len(set(found)) > 1
