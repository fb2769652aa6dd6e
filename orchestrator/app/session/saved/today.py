"""What is desired today, as the facts that a saved plan contains and is compared with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import storage_of
from orchestrator.app.session.planning import Planned
from orchestrator.app.session.session import Session
from orchestrator.planning.planner import Prepared
from orchestrator.planning.saved.facts import facts_of_function, facts_of_run, facts_of_settings, stands_for


def manifest_folder(request: Request) -> Path:
    """Return the absolute path of the manifest's folder."""
    return Path(os.path.abspath(request.manifest.path)).parent  # noqa: PTH100 - links keep their names


def facts_today(
    request: Request, keys: Iterable[str], prepared: Mapping[str, Prepared], *, uploaded: bool
) -> dict[str, dict[str, Any]]:
    """Return what is desired of functions, by the manifest and their sources. `uploaded`: for a plan with its
    packages.
    """
    root, functions = manifest_folder(request), request.manifest.functions
    return {key: facts_of_function(functions[key], prepared.get(key), root, uploaded=uploaded) for key in keys}


def resolved_today(session: Session, planned: Planned) -> dict[str, dict[str, Any]]:
    """Return what the names in the manifest resolve to, by function."""
    functions = session.request.manifest.functions
    return {
        unit.key: stands_for(
            facts_of_settings(functions[unit.key].settings) | {"code": str(functions[unit.key].code)},
            facts_of_settings(unit.spec.as_live.declared or unit.spec.settings) | {"code": str(unit.spec.code)},
        )
        for unit in planned.plan.units
    }


def run_facts(session: Session) -> dict[str, Any]:
    """Return what is desired of the run as a whole."""
    manifest = session.request.manifest
    storage = storage_of(manifest, session.request.options.bucket)
    return facts_of_run(manifest.rollout, storage, manifest_folder(session.request))
