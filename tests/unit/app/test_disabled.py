"""Disabled functions, and what a run of all functions reports of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.app.session.about import disabled
from orchestrator.app.session.opening.request import Request
from orchestrator.app.session.options import RunOptions
from orchestrator.journal.events import RunStarted, UnitEnded, UnitPlanned
from orchestrator.journal.identity import Identity, Selection
from orchestrator.journal.store import open_store
from orchestrator.model import Action, CloudAddress, Limits, Manifest, Rollout, Storage
from tests.builders import spec
from tests.runs import failed


def test_a_run_of_all_says_how_many_are_disabled_and_which_of_them_failed(tmp_path: Path) -> None:
    (config := tmp_path / "deploy.toml").touch()
    functions = {name: spec(name, folder_id="b1g", enabled=name == "on") for name in ("on", "off", "other")}
    manifest = Manifest(config, CloudAddress(), Storage(), Limits(), Rollout(), functions, {})
    about = Identity(str(config), folders=("b1g",))
    request = Request(RunOptions("deploy", config), {}, tmp_path / "state", manifest, about)
    assert disabled(request) == "skipped: 2 functions with enabled = false"
    assert disabled(replace(request, identity=replace(about, selection=Selection(("on",))))) == ""
    with open_store(tmp_path / "state") as store:
        started = RunStarted(1.0, "R1", "deploy", CloudAddress().endpoint, "deploy.toml", 2, "", identity=about)
        journal = store.start_run(started)
        for name in ("on", "off"):
            journal.append(UnitPlanned(1.0, name, name, "b1g", "", Action.VERSION, "", "", "a.b"))
        for name in ("on", "off"):
            journal.append(UnitEnded(1.0, name, failed()))
    assert disabled(request).endswith("a run of all functions gives up what run R1 left undone of off")
    all_on = {name: replace(one, enabled=True) for name, one in functions.items()}
    assert disabled(replace(request, manifest=replace(manifest, functions=all_on))) == ""
