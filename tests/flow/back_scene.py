"""One Function in one memory cloud, whose run is rolled back, and what a user of the cloud sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.job.contract import Desired
from orchestrator.journal.events import Event
from orchestrator.model import Outcome, Rollout, Unit
from orchestrator.prediction.virtual_time import run
from tests.clouds import body
from tests.engine import Bench, InlinePackager

HEAD = '[defaults]\nruntime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\ncreate = true\n'
SECRET = 'secrets = [{ environment_variable = "T", id = "e6q1", version_id = "e6v1", key = "k" }]\n'
FIELD = "gpuModel"  # one that the program does not know
LATEST, TAGS, LABELS, SCALING, ACCESS = "$latest", "tags", "labels", "scaling", "access"


def function(source: str = "src", *lines: str) -> str:
    return HEAD + f'[functions.fun]\nsource = "{source}"\n' + "\n".join([*lines, ""])


OLD = function("src", 'tags = ["stable"]', 'labels = { team = "a" }', 'timeout = "7s"', 'environment = { A = "1" }')
NEW = function("new", 'tags = ["stable", "blue"]', 'labels = { team = "b", tier = "x" }', 'environment = { A = "2" }')


class Scene:
    """One Function in one cloud. `old` and `new`: the manifests before and with the run. `events`: of the run."""

    def __init__(self, root: Path, **given: Any) -> None:
        for number, name in enumerate(("src", "new", "more")):
            (root / name).mkdir()
            (root / name / "index.py").write_text(f"def handler(event, context):\n    return {number}\n")
        self.bench = Bench(root, durations="fixed:1", **given)
        self.cloud = self.bench.cloud
        self.cloud.seeds.add_secret("folder", "db", id="e6q1", version_id="e6v1", keys=["k"])
        self.cloud.seeds.add_service_account("folder", "runner", id="aje1")
        self.old, self.new = "", NEW
        self.events: list[Event] = []
        self.before: dict[str, Any] = {}  # what was seen before the run, or what should be seen after the rollback
        self.lossy: tuple[str, ...] = ()
        self.wider: tuple[str, ...] = ()
        self.folder_id = "folder"

    def deploy(self, manifest: str, **given: Any) -> Mapping[str, Outcome]:
        self.bench.packager = InlinePackager(self.bench.root / "zips")
        return self.bench.deploy(manifest, **given)

    def begin(self, old: str = OLD) -> None:
        self.old = old
        self.deploy(old)

    def go(self, new: str = NEW, **given: Any) -> None:
        """Run the run that is to be rolled back."""
        if not self.events:
            self.before = self.seen()
        self.new = new
        self.deploy(new, **given)
        self.events += self.bench.events

    def by_hand(self, **fields: Any) -> str:
        """Make a Version as someone does in the console. Returns its ID."""
        made = self.cloud.versions.create(body(self.function_id, **fields))
        self.bench.pass_time(60.0)
        return str(made["metadata"]["functionVersionId"])

    def tag(self, version_id: str, tag: str) -> None:
        self.cloud.versions.set_tag(version_id, {"tag": tag})
        self.bench.pass_time(60.0)

    def label(self, **labels: str) -> None:
        self.cloud.functions.update(self.function_id, {"updateMask": "labels", "labels": labels})
        self.bench.pass_time(60.0)

    def delete(self, version_id: str) -> None:
        self.cloud.versions.delete(version_id)
        self.bench.pass_time(60.0)

    @property
    def function_id(self) -> str:
        functions = self.cloud.functions.list({"folderId": self.folder_id}).get("functions", [])
        return str(next((one["id"] for one in functions if one["name"] == "fun"), ""))

    def versions(self) -> list[Mapping[str, Any]]:
        return sorted(self.bench.versions(self.folder_id), key=lambda version: str(version["createdAt"]))

    def holder(self, tag: str = LATEST) -> str:
        return next((str(one["id"]) for one in self.versions() if tag in one.get("tags", ())), "")

    def seen(self) -> dict[str, Any]:
        """Return what a user of the cloud sees, by part, without what is unique to a Version."""
        if not self.function_id:
            return {}
        own = self.cloud.functions.get(self.function_id)
        latest = next((one for one in self.versions() if LATEST in one.get("tags", ())), {})
        settings = {name: value for name, value in latest.items() if name not in ("id", "createdAt", "tags", "status")}
        settings["description"] = str(settings.get("description", "")).partition(" [orchestrator:back:")[0]
        settings["description"] = settings["description"].partition("[orchestrator:back:")[0]
        code = self.cloud.state.codes.get(str(latest.get("id"))) or {}
        tags = {tag: one["id"] for one in self.versions() for tag in one.get("tags", ()) if tag != LATEST}
        policies = self.cloud.scaling.list(self.function_id, {}).get("scalingPolicies", [])
        return {
            LATEST: (settings, code),
            TAGS: tags,
            LABELS: (own.get("labels"), own.get("description")),
            SCALING: [{name: one for name, one in policy.items() if not name.endswith("At")} for policy in policies],
            ACCESS: self.cloud.access.list(self.function_id, {}).get("accessBindings", []),
        }

    def roll_back(self, events: list[Event] | None = None) -> Mapping[str, Outcome]:
        events = self.events if events is None else events
        return self.bench.roll_back(events, lossy=self.lossy, wider=self.wider)

    def planned(self, manifest: str) -> Unit:
        """Plan a manifest, and do nothing."""
        self.bench.packager = InlinePackager(self.bench.root / "zips")

        async def main() -> Unit:
            specs = self.bench.load(manifest).functions
            ask = Desired(specs, Rollout())
            plan, _ = await self.bench.planned(self.bench.world(), lambda _have: ask, specs)
            return next(unit for unit in plan.units if unit.key == "fun")

        return run(main)
