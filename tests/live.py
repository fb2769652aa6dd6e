"""Live functions made by hand, as the cloud shows them, and the manifest that is imported from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.app.commands.import_ import manifest_text
from orchestrator.app.session.importing.entries import Entries, KnownNames, entries_of
from orchestrator.job.inventory import LiveFunction, inventory
from orchestrator.manifest.load import load
from orchestrator.model import CloudAddress, Function, Limits, Manifest, Plan, Rollout, Settings, Storage, Version
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.planning.planner import build
from orchestrator.version.body import settings_fields

EMPTY = Manifest(Path("deploy.toml"), CloudAddress(), Storage(), Limits(), Rollout(), {}, {})


def live_function(name: str, settings: Settings, folder_id: str = "folder", **own: Any) -> tuple[Function, Version]:
    """Return a Function whose `$latest` has these settings, and no stamp of ours."""
    one_id = f"id-{folder_id}-{name}"
    raw = settings_fields(settings, settings.description)
    raw.pop("tag", None)
    tags = ("$latest", *settings.tags)
    made = Version(f"v-{one_id}", one_id, "ACTIVE", settings.description, None, tags, {**raw, "status": "ACTIVE"})
    return Function(one_id, folder_id, name, **own), made


def live_state(functions: Sequence[tuple[Function, Version]]) -> LiveState:
    return indexed([one for one, _ in functions], [version for _, version in functions])


def found_in(live: LiveState) -> tuple[LiveFunction, ...]:
    return inventory(EMPTY, live, {one.folder_id for one in live.by_id.values()})


def no_secret(_text: str) -> bool:
    return False


def imported(
    live: LiveState, names: KnownNames | None = None, looks_secret: Callable[[str], bool] = no_secret
) -> tuple[Entries, str]:
    """Import everything. Returns the text too."""
    made = entries_of(found_in(live), names or KnownNames(), looks_secret)
    return made, manifest_text(made, made.left_out)


def planned_from(root: Path, text: str, live: LiveState, environ: Mapping[str, str] | None = None) -> Plan:
    """Load a manifest that has only IDs, and plan it."""
    path = root / "deploy.toml"
    path.write_text(text, "utf-8")
    manifest = load(path, environ or {})
    return build({key: spec for key, spec in manifest.functions.items() if spec.enabled}, live, {}, {})
