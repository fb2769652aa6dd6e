"""Which functions a command works on, by its options and by what former runs have left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from orchestrator.app.session.chains.left import Left
from orchestrator.app.session.identity import resume_line
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import NAMING, RunOptions
from orchestrator.errors import UsageError
from orchestrator.manifest.findings import did_you_mean, require_sound
from orchestrator.model import FunctionSpec
from orchestrator.planning.back.touched import Touched
from orchestrator.planning.resume import named_now
from orchestrator.planning.selection import expanded, require_promote, select

_NAMED_MAX = 5  # functions that an error names


def selected(request: Request) -> dict[str, FunctionSpec]:
    """Return the functions of the manifest that the options select.

    Raises `UsageError`, and `ManifestError` where some of them have mistakes.
    """
    options, manifest = request.options, request.manifest
    specs = select(manifest, expanded(options.patterns), options.labels)
    if request.left is not None:
        specs = only_left(specs, request.left, "the selection")
    require_sound(specs.values())
    require_promote(specs.values(), manifest.rollout)
    return specs


def any_selected(request: Request) -> dict[str, FunctionSpec]:
    """Select as `selected` does, for a command that does nothing to functions: includes disabled functions and
    functions with mistakes. Raises `UsageError`.
    """
    options, manifest = request.options, request.manifest
    enabled = {key: replace(spec, enabled=True) for key, spec in manifest.functions.items()}
    return select(replace(manifest, functions=enabled), expanded(options.patterns), options.labels)


def only_left(specs: Mapping[str, FunctionSpec], left: Left, of: str) -> dict[str, FunctionSpec]:
    """Return those of `specs` that a former run has left, whatever their names were then."""
    found, gone = named_now(left.units, specs)
    what = "failed" if left.option == "failed" else "was left undone"
    if not found:
        give_up = resume_line(left.run.run_id, "--give-up")
        raise UsageError(
            f"no function is selected: what {what} is not part of {of}: {', '.join(sorted(gone)[:_NAMED_MAX])}",
            advice=f"restore it there, or give it up: `{give_up}`",
        )
    return {key: spec for key, spec in specs.items() if key in found}


def check_agreed(options: RunOptions, specs: Iterable[FunctionSpec | Touched]) -> None:
    """Check that the functions named in options of consent exist. Raises `UsageError`."""
    known = {name for spec in specs for name in (spec.key, spec.name)}
    given = [(name, f"--adopt {name}@{version_id}") for name, version_id in sorted(options.adopt.versions)]
    given += [(name, f"{option} {name}") for key, option in NAMING.items() for name in getattr(options, key)]
    for name, written in given:
        if not any(fnmatchcase(one, name) for one in known):
            raise UsageError(
                f"{written}: there is no function {name}{did_you_mean(name, known)}",
                advice="copy the option from the plan",
            )
