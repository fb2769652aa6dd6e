"""What quotas leave room for: the truth tables, and unknown quotas."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model import LATEST, Action, Change, ChangeKind, Limits, Quota, Secret, SecretVersion, Tree, Unit
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.package.entry import ZIPPED_MAX_BYTES
from orchestrator.planning import foresee
from orchestrator.planning.foresee import is_quota_of, limits_declared, may_exceed, missing_key
from orchestrator.planning.room import without_functions, without_tags
from tests.builders import function, settings, spec, version

NEW = (Change(ChangeKind.FUNCTION), Change(ChangeKind.VERSION))
CLOUDS = {"folder": "cloud", "folder2": "cloud", "else": "cloud2", "nowhere": ""}


def creates(count: int, folder_id: str = "folder") -> list[Unit]:
    keys = [f"{folder_id}-{number}" for number in range(count)]
    return [Unit(key, spec(key, folder_id=folder_id), Action.CREATE, "", changes=NEW) for key in keys]


def functions(limit: float, usage: float, name: str = "serverless.functions.count") -> Quota:
    return Quota(name, limit, usage)


@pytest.mark.parametrize(
    ("quotas", "new", "without"),
    [
        ([functions(10, 5)], 5, 0),
        ([functions(10, 5)], 12, 7),
        ([functions(10, 12)], 1, 1),
        ([functions(10, 10)], 0, 0),
        ([functions(10, 5, "something.else.count")], 12, 0),
        ([functions(10, 5, "functions.count")], 12, 7),
        ([], 12, 0),
    ],
)
def test_new_functions_without_room_are_the_last_ones(quotas: list[Quota], new: int, without: int) -> None:
    units = creates(new)
    found = without_functions(units, LiveState(clouds=CLOUDS), {"cloud": quotas})
    assert list(found) == [unit.key for unit in units[new - without :]]


def test_the_folders_of_a_cloud_share_its_room_and_others_do_not() -> None:
    units = [*creates(3), *creates(3, "folder2"), *creates(9, "else"), *creates(9, "nowhere")]
    reported = {"cloud": [functions(100, 95)], "cloud2": [functions(100, 0)]}
    found = without_functions(units, LiveState(clouds=CLOUDS), reported)
    assert list(found) == ["folder2-2"]
    (failure,) = found.values()
    assert failure.message == "the plan creates 6 new functions, but cloud cloud has room for 5 (quota: 100, used: 95)"
    assert "serverless.functions.count" in failure.advice


def test_what_is_there_needs_no_room() -> None:
    unit = Unit("f", spec("f"), Action.VERSION, "", function_id="id-f", changes=(Change(ChangeKind.VERSION),))
    assert not without_functions([unit], LiveState(clouds=CLOUDS), {"cloud": [functions(10, 10)]})


def tagged(*tags: str, desired: tuple[str, ...], action: Action = Action.VERSION) -> tuple[list[Unit], LiveState]:
    live = indexed(
        [function("f")],
        [version(f"v{tag}", "id-f", tags=(tag,)) for tag in (*tags, LATEST)],
        clouds=CLOUDS,
    )
    kind = ChangeKind.TAG if action is Action.RETAG else ChangeKind.VERSION
    unit = Unit(
        "f", spec("f", settings=settings(tags=desired)), action, "", function_id="id-f", changes=(Change(kind),)
    )
    return [unit], live


TEN = tuple(f"t{number}" for number in range(10))
TAGS = Quota("serverless.functions.tags", 10, 0)


@pytest.mark.parametrize(
    ("live", "desired", "refused"),
    [
        (TEN, ("new",), True),
        (TEN, ("t3",), False),  # it moves
        (TEN[:9], ("new",), False),
        (TEN[:9], ("t3", "new", "other"), True),
        ((*TEN, "t10"), ("t3",), False),  # more than is allowed, and no additional one
        ((), (*TEN, "new"), True),
        (TEN, (), False),
    ],
)
@pytest.mark.parametrize("action", [Action.VERSION, Action.RETAG])
def test_the_eleventh_tag_is_foreseen(
    live: tuple[str, ...], desired: tuple[str, ...], refused: bool, action: Action
) -> None:
    units, state = tagged(*live, desired=desired, action=action)
    found, warnings = without_tags(units, state, {"cloud": [TAGS]})
    assert (bool(found), warnings) == (refused, ())
    found, warnings = without_tags(units, state, {})  # unknown: the documented quota may not be the real one
    assert (found, bool(warnings)) == ({}, refused)


def test_promoted_tags_count() -> None:
    (unit,), state = tagged(*TEN[:9], desired=("t3", "new"))
    for tags, promote, refused in (((), ("new",), False), (("new",), ("other",), True), ((), ("t3", "t4"), False)):
        promoting = replace(unit, spec=replace(unit.spec, settings=settings(tags=tags), promote=promote))
        assert bool(without_tags([promoting], state, {"cloud": [TAGS]})[0]) is refused


def test_of_a_tag_too_many_it_is_said_which() -> None:
    units, live = tagged(*TEN, desired=("t1", "new"))
    (failure,) = without_tags(units, live, {"cloud": [TAGS]})[0].values()
    assert failure.message == "with new it would have 11 tags; 10 are allowed"
    (warning,) = without_tags(units, live, {"cloud": []})[1]
    assert warning.startswith("f: with new it would have 11 tags; the documented quota is 10: ")


def test_a_raised_quota_of_tags_holds() -> None:
    units, live = tagged(*TEN, desired=("new",))
    assert without_tags(units, live, {"cloud": [Quota("serverless.functions.tags", 20, 0)]}) == ({}, ())


SECRET = Secret("TOKEN", "token", id="e6q", version_id="v1")


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ({}, "secret e6q has no version v1"),
        ({"v2": ("token",)}, "secret e6q has no version v1"),
        ({"v1": ()}, None),
        ({"v1": ("a", "token")}, None),
        (
            {"v1": ("tokens", "user")},
            'version v1 of secret e6q has no key "token": it has tokens, user; did you mean "tokens"?',
        ),
    ],
)
def test_what_a_secret_lacks(versions: dict[str, tuple[str, ...]], says: str | None) -> None:
    found = missing_key(SECRET, {name: SecretVersion(name, keys=keys) for name, keys in versions.items()})
    assert (found.message if found is not None else None) == says


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("ACTIVE", None),
        ("", None),  # unknown
        ("SCHEDULED_FOR_DESTRUCTION", "version v1 of secret e6q is SCHEDULED_FOR_DESTRUCTION"),
        ("DESTROYED", "version v1 of secret e6q is DESTROYED"),
    ],
)
def test_a_secret_version_must_be_active(status: str, says: str | None) -> None:
    found = missing_key(SECRET, {"v1": SecretVersion("v1", status, ("token",))})
    assert (found.message if found is not None else None) == says


def test_only_limits_that_somebody_wrote_are_held_against_the_quota() -> None:
    assert limits_declared(Limits()) == {}
    assert limits_declared(Limits(operations_per_folder=60)) == {"operations_per_folder": 60}
    assert is_quota_of(Quota("serverless.concurrentFolderOperations", 15, 0), "operations_per_folder")
    assert not is_quota_of(Quota("serverless.concurrentCloudOperations", 15, 0), "operations_per_folder")
    assert not is_quota_of(Quota("serverless.functions.count", 15, 0), "operations_per_cloud")


@pytest.mark.parametrize(
    ("size_bytes", "files", "largest", "may"),
    [
        (1_000, 1, 10_000, False),
        (9_800, 1, 10_000, True),  # with names and tables it may
        (0, 38, 10_400, False),
        (0, 41, 10_400, True),
        (0, 0, 0, False),
    ],
)
def test_whether_a_zip_may_be_too_large_is_seen_by_its_tree(
    size_bytes: int, files: int, largest: int, may: bool
) -> None:
    paths = tuple(f"f{number:02}.py" for number in range(files))
    assert may_exceed(Tree("a" * 64, size_bytes, paths), largest) is may
    assert not may_exceed(None, 0)


def test_the_limits_of_a_zip_are_the_packagers() -> None:
    assert foresee._ZIP_MAX_BYTES == ZIPPED_MAX_BYTES
