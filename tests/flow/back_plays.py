"""The situations in which a run is rolled back: everything up to the rollback."""

from __future__ import annotations

from typing import Any

import anyio

from orchestrator.journal.events import OperationAccepted, OperationDone
from orchestrator.model import Rollout
from orchestrator.sandbox.memory.faults import Distribution, Faults
from orchestrator.version.adoption import Adoption
from tests.flow.back_scene import FIELD, NEW, OLD, SECRET, Scene, function


def both(scene: Scene) -> None:
    scene.begin()
    scene.go()


def latest_alone(scene: Scene) -> None:
    scene.begin(function("src"))
    scene.go(function("new"))


def tag_alone(scene: Scene) -> None:
    scene.begin(function("src", 'tags = ["stable"]'))
    scene.begin(function("more"))
    scene.go(function("more", 'tags = ["stable"]'))


def labels_alone(scene: Scene) -> None:
    scene.begin(function("src", 'labels = { team = "a" }', 'function_description = "old"'))
    scene.go(function("src", 'labels = { team = "b" }', 'function_description = "new"'))


def scaling_alone(scene: Scene) -> None:
    scene.begin(function("src", 'scaling = { "$latest" = { provisioned = 1 } }'))
    scene.go(function("src", 'scaling = { "$latest" = { provisioned = 0, zone_instances = 3 } }'))


def scaling_by_hand(scene: Scene) -> None:
    scaling_alone(scene)
    scene.cloud.scaling.seed(scene.function_id, {"tag": "$latest", "zoneInstancesLimit": "9"})


def opened(scene: Scene) -> None:
    scene.begin(function("src"))
    scene.go(function("src", "public = true"))


def closed(scene: Scene) -> None:
    scene.begin(function("src", "public = true"))
    scene.bench.opened.add(scene.function_id)
    scene.go(function("new", "public = false"))


def closed_and_agreed_to(scene: Scene) -> None:
    closed(scene)
    scene.wider = ("fun",)


def build_failed(scene: Scene) -> None:
    scene.begin()
    scene.cloud.use(Faults(failing_functions={"fun"}))
    scene.go()
    scene.cloud.use(Faults())


def created(scene: Scene) -> None:
    scene.go()


def created_and_deleted(scene: Scene) -> None:
    scene.go()
    scene.cloud.functions.delete(scene.function_id)
    scene.bench.pass_time(60.0)


def deleted(scene: Scene) -> None:
    both(scene)
    scene.cloud.functions.delete(scene.function_id)
    scene.bench.pass_time(60.0)


def made_again(scene: Scene) -> None:
    deleted(scene)
    scene.deploy(function("more"))


def by_hand_before(scene: Scene) -> None:
    scene.cloud.functions.create({"folderId": "folder", "name": "fun"})
    scene.bench.pass_time(60.0)
    scene.by_hand(description="made in the console ", environment={"A": "0"})
    scene.go(NEW, adopt=Adoption(everything=True))


def by_hand_without_words(scene: Scene) -> None:
    scene.cloud.functions.create({"folderId": "folder", "name": "fun"})
    scene.bench.pass_time(60.0)
    scene.by_hand()
    scene.go(NEW, adopt=Adoption(everything=True))


def retired(scene: Scene) -> None:
    scene.begin()
    scene.go(NEW.replace("python312", "python313"))
    scene.cloud.seeds.retire_runtime("python312")


def destroyed(scene: Scene) -> None:
    scene.begin(OLD + SECRET)
    scene.go(NEW)
    scene.cloud.seeds.destroy_secret_version("e6q1", "e6v1")


def removed(scene: Scene) -> None:
    scene.begin(OLD + 'service_account_id = "aje1"\n')
    scene.go(NEW)
    scene.cloud.seeds.remove_service_account("aje1")


def obsolete(scene: Scene) -> None:
    scene.begin(function("src"))
    base = scene.holder()
    scene.go(function("new"))
    scene.cloud.versions.age(base, "OBSOLETE")


def obsolete_with_tag(scene: Scene) -> None:
    scene.begin(function("src", 'tags = ["stable"]'))
    base = scene.holder()
    scene.go(function("new", 'tags = ["stable"]'))
    scene.cloud.versions.age(base, "OBSOLETE")


def vanished(scene: Scene) -> None:
    scene.begin(function("src"))
    base = scene.holder()
    scene.go(function("new"))
    scene.delete(base)


def tag_vanished(scene: Scene) -> None:
    scene.begin(function("src", 'tags = ["stable"]'))
    holder = scene.holder()
    scene.begin(function("more"))
    scene.go(function("new", 'tags = ["stable"]'))
    scene.delete(holder)


def later_run(scene: Scene) -> None:
    both(scene)
    scene.deploy(function("more", 'tags = ["stable"]', 'labels = { team = "c", tier = "y" }'))
    scene.before["tags"] = {"stable": scene.holder("stable")}


def hotfix(scene: Scene) -> None:
    both(scene)
    with scene.cloud.called_by("ajesomebodyelse00000"):
        scene.by_hand(description="hotfix", environment={"A": "3"})


def moved_by_hand(scene: Scene) -> None:
    scene.begin(function("more"))
    first = scene.holder()
    both(scene)
    with scene.cloud.called_by("ajesomebodyelse00000"):
        scene.tag(first, "stable")
    scene.before["tags"] = {"stable": first}


def taken_away_by_hand(scene: Scene) -> None:
    both(scene)
    with scene.cloud.called_by("ajesomebodyelse00000"):
        scene.cloud.versions.remove_tag(scene.holder("stable"), {"tag": "stable"})
    scene.bench.pass_time(60.0)
    scene.before["tags"] = {}


def labels_changed(scene: Scene) -> None:
    both(scene)
    scene.label(team="z", tier="x")
    scene.before["labels"] = ({"team": "z"}, None)


def stopped(scene: Scene) -> None:
    scene.begin()
    more = NEW + '[functions.more]\nsource = "more"\n[functions.other]\nsource = "more"\n'

    async def stop(stop: Any) -> None:
        while sum(isinstance(event, OperationDone) for event in scene.bench.events) < 2:
            await _tick()
        stop.request("paused")

    scene.go(more, rollout=Rollout(canary=("fun",), waves=(1, "100%")), meanwhile=stop)


async def _tick() -> None:
    await anyio.sleep(0.1)


def of_rollback(scene: Scene) -> None:
    both(scene)
    scene.before = scene.seen()
    scene.roll_back()
    scene.events = list(scene.bench.events)
    scene.old, scene.new = NEW, OLD


def second_time(scene: Scene) -> None:
    both(scene)
    scene.roll_back()


def long_words(scene: Scene) -> None:
    scene.cloud.functions.create({"folderId": "folder", "name": "fun"})
    scene.bench.pass_time(60.0)
    scene.by_hand(description="y" * 590)
    scene.go(NEW, adopt=Adoption(everything=True))


def long_words_again(scene: Scene) -> None:
    long_words(scene)
    scene.roll_back()


def chain(scene: Scene) -> None:
    both(scene)
    scene.go(NEW.replace('"new"', '"more"'))


def end_unknown(scene: Scene) -> None:
    both(scene)
    ends = [number for number, event in enumerate(scene.events) if isinstance(event, OperationDone)]
    del scene.events[ends[-1] :]


def answer_lost(scene: Scene) -> None:
    both(scene)
    asked = next(
        number
        for number, event in enumerate(scene.events)
        if isinstance(event, OperationAccepted) and event.call == "createVersion"
    )
    del scene.events[asked:]


def still_made(scene: Scene) -> None:
    scene.begin(function("src"))
    scene.cloud.last(Distribution.parse("fixed:600"))

    async def stop(stop: Any) -> None:
        while not any(isinstance(event, OperationAccepted) for event in scene.bench.events):
            await _tick()
        stop.request("")
        stop.abandon("killed")

    scene.go(function("new"), meanwhile=stop)


def forced(scene: Scene) -> None:
    scene.begin()
    scene.go(OLD, force="again")


def field_of_cloud(scene: Scene) -> None:
    scene.cloud.seeds.add_field(FIELD, "v1")
    both(scene)


def _with_field(scene: Scene, sent_back: str) -> None:
    scene.cloud.seeds.add_field(FIELD, sent_back="accepted")
    scene.cloud.functions.create({"folderId": "folder", "name": "fun"})
    scene.bench.pass_time(60.0)
    scene.by_hand(**{FIELD: {"count": 2}})
    scene.go(function("new"), adopt=Adoption(everything=True))
    scene.cloud.seeds.add_field(FIELD, sent_back=sent_back)


def field_accepted(scene: Scene) -> None:
    _with_field(scene, "accepted")


def field_refused(scene: Scene) -> None:
    _with_field(scene, "refused")


def field_refused_lossy(scene: Scene) -> None:
    field_refused(scene)
    scene.lossy = ("fun",)


def field_ignored(scene: Scene) -> None:
    _with_field(scene, "ignored")


def elsewhere(scene: Scene) -> None:
    scene.folder_id = "folder-2"
    scene.begin(OLD.replace("create = true", 'create = true\nfolder_id = "folder-2"'))
    scene.go(NEW.replace("create = true", 'create = true\nfolder_id = "folder-2"'))


PING = "verify = { payload = {}, expect = 1 }"


def ring_tags(scene: Scene) -> None:
    scene.cloud.seeds.calls.answer(body=1)
    scene.begin(function("src", PING, 'promote = ["stable"]'))
    scene.go(function("new", PING, 'promote = ["stable"]'))


def promoted_alone(scene: Scene) -> None:
    scene.cloud.seeds.calls.answer(body=1)
    scene.begin(function("src", PING, 'promote = ["stable"]'))
    scene.begin(function("more", PING))
    scene.go(function("more", PING, 'promote = ["stable"]'))


def verified_alone(scene: Scene) -> None:
    scene.begin(function("src"))
    scene.cloud.seeds.calls.answer(body=1)
    scene.go(function("src", PING))


def twice_one_function(scene: Scene) -> None:
    scene.begin(function("src"))
    scene.go(function("new") + f'[functions.other]\nid = "{scene.function_id}"\nname = "fun-2"\nsource = "more"\n')
