"""What `runtime_upgrade` desires, depending on the live state: tables of functions, skips and traps."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.job.contract import Desired, JobError
from orchestrator.job.files import find_job
from orchestrator.model import CloudAddress, Limits, Manifest, Place, Rollout, Storage, VersionCopy
from orchestrator.model.live_state import LiveState, indexed
from orchestrator.version.runtimes import forbidden, traps
from tests.builders import function, settings, spec, version

JOB = find_job("runtime_upgrade", Path("/nowhere"))
TODAY = date(2026, 11, 25)
SKIP = {"function": "b", "reason": "vendor library", "owner": "ann", "until": date(2027, 3, 1)}
RUNTIMES = ("python311", "python312", "nodejs22")


def manifest(**functions: Any) -> Manifest:
    return Manifest(
        Path("deploy.toml"), CloudAddress(folder_id="folder"), Storage(), Limits(), Rollout(), functions, {}
    )


def there(**runtimes: str) -> LiveState:
    """Return a folder in which each function has one version."""
    functions = [function(name) for name in runtimes]
    versions = [version(f"v-{name}", f"id-{name}", runtime=runtime) for name, runtime in runtimes.items()]
    return indexed(functions, versions, runtimes=RUNTIMES)


def desired(
    found: LiveState, *, of: Manifest | None = None, old: Any = ("python38", "python39"), **given: Any
) -> Desired:
    parameters = {"from": old, "to": "python312", "folders": (), "skip": ()}
    return JOB.desired(
        of or manifest(), found, parameters | {"today": TODAY, "rollout": Rollout(), "board_only": False} | given
    )


def board(found: Desired) -> dict[str, str]:
    assert found.board is not None
    return {standing.key: standing.status for standing in found.board}


def test_old_ones_wait_new_ones_are_done_and_others_are_not_its_business() -> None:
    found = desired(there(a="python38", b="python39", c="python312", d="nodejs22", e="python311"))
    assert board(found) == {"a": "waiting", "b": "waiting", "c": "done"}
    assert {key: one.settings.runtime for key, one in found.specs.items()} == {"a": "python312", "b": "python312"}
    assert found.specs["a"].code == VersionCopy("v-a")


def test_what_another_environment_declares_is_left_out() -> None:
    of_others = frozenset({("folder", "a"), ("id", "id-b"), ("folder", "c"), ("elsewhere", "d")})
    own = replace(manifest(c=spec("c", folder_id="folder")), of_others=of_others)
    found = desired(there(a="python38", b="python38", c="python38", d="python38"), of=own)
    assert board(found) == {"c": "waiting", "d": "waiting"}


@pytest.mark.parametrize("open_one", [("", ""), ("folder", ""), ("", "b")])
def test_what_may_be_another_environments_is_left_alone_and_that_is_said(open_one: tuple[str, str]) -> None:
    own = replace(manifest(c=spec("c", folder_id="folder")), of_others=frozenset({open_one}))
    found = desired(there(b="python38", c="python38"), of=own)
    assert board(found) == {"c": "waiting"}
    assert any("may be another environment's, which its files leave open: b;" in one for one in found.warnings)


def test_a_skipped_function_is_on_the_board_with_its_reason() -> None:
    found = desired(there(a="python38", b="python39"), skip=(SKIP,))
    assert board(found) == {"a": "waiting", "b": "skipped"}
    assert (found.board or ())[1].note == "vendor library (owner ann, until 2027-03-01)"
    assert list(found.specs) == ["a"]


def test_a_skip_may_be_a_glob_and_its_last_day_counts() -> None:
    row = SKIP | {"function": "legacy-*", "until": TODAY}
    assert board(desired(there(**{"legacy-x": "python38", "b": "python38"}), skip=(row,))) == {
        "legacy-x": "skipped", "b": "waiting",
    }  # fmt: skip


def test_the_board_is_there_where_an_exception_has_expired() -> None:
    row = SKIP | {"until": date(2026, 11, 24)}
    found = desired(there(a="python38", b="python39"), skip=(row,), board_only=True)
    assert board(found) == {"a": "waiting", "b": "waiting"}
    assert (found.board or ())[1].note == "vendor library (owner ann, until 2026-11-24)"
    assert "the exception for b (owner ann) expired on 2026-11-24: the job does not run" in found.warnings[0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            SKIP | {"until": date(2026, 11, 24)},
            "exceptions in `skip` have expired: b (owner ann) expired on 2026-11-24",
        ),
        ({**SKIP, "reason": ""}, "the exception for b in `skip` has no reason"),
        ({name: SKIP[name] for name in ("function", "reason", "until")}, "the exception for b in `skip` has no owner"),
        (SKIP | {"until": "2027-03-01"}, "the exception for b in `skip` has no date `until`"),
        (SKIP | {"untill": 1}, '`skip` has no key "untill"'),
    ],
)
def test_a_skip_that_says_too_little_is_an_error(row: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError) as caught:
        desired(there(b="python38"), skip=(row,))
    assert caught.value.message == message


def test_a_folder_in_which_nothing_is_live_is_reported() -> None:
    found = desired(there(a="python38", b="python39"), folders=("folder", "b1gempty"))
    assert found.warnings[0] == "folder b1gempty has no functions with a version"
    assert not [said for said in desired(there(a="python38")).warnings if said.startswith("folder ")]


def test_a_skip_of_nothing_is_a_warning() -> None:
    warnings = desired(there(a="python38", c="python39"), skip=(SKIP,)).warnings
    assert warnings[0] == '`skip` names "b", but neither these folders nor the manifest have it'


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"to": "python399"}, "the cloud does not offer runtime python399; did you mean python312?"),
        ({"old": ()}, "`from` is empty"),
        ({"old": ("python312",)}, "python312 is in `from` and in `to`"),
        ({"old": ("nodejs16",)}, "nodejs16 and python312 are of different languages"),
        ({"old": 3}, "`from` must be a list of strings, not 3"),
        ({"to": ""}, '`to` must be a string, not ""'),
    ],
)
def test_runtimes_that_make_no_sense_are_errors(given: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError) as caught:
        desired(there(a="python38"), **given)
    assert caught.value.message == message


def test_a_runtime_that_vanished_from_the_list_may_be_left_and_a_slip_is_a_warning() -> None:
    found = desired(there(a="python38"), old=("python38", "python93"))
    assert list(found.specs) == ["a"]
    assert any("`from` has python93" in warning for warning in found.warnings)


def test_a_function_of_the_manifest_goes_by_its_key_and_must_be_changed_there_too() -> None:
    declared = spec("my-key", name="a", settings=settings(runtime="python38"), place=Place("deploy.toml", 7))
    found = desired(there(a="python38"), of=manifest(**{"my-key": declared}))
    assert list(found.specs) == ["my-key"]
    assert found.warnings[-1] == (
        "deploy.toml has python38 for my-key (line 7): change it to python312, or the next deploy of it is blocked;"
        " --update-manifest changes it during this run, `import --update` afterwards"
    )


def test_a_function_that_the_manifest_disables_is_skipped() -> None:
    declared = spec("a", enabled=False, place=Place("deploy.toml", 7))
    found = desired(there(a="python38"), of=manifest(a=declared))
    assert (board(found), (found.board or ())[0].note) == ({"a": "skipped"}, "disabled at deploy.toml:7")


def test_functions_of_one_name_in_two_folders_are_reported_apart() -> None:
    both = [function("a", id="1"), function("a", id="2", folder_id="other")]
    found = desired(
        indexed(
            both, [version("v1", "1", runtime="python38"), version("v2", "2", runtime="python38")], runtimes=RUNTIMES
        ),
        folders=("folder", "other"),
    )
    assert list(found.specs) == ["folder/a", "other/a"]


def test_only_the_folders_asked_for_count() -> None:
    both = [function("a", id="1"), function("b", id="2", folder_id="other")]
    versions = [version("v1", "1", runtime="python38"), version("v2", "2", runtime="python38")]
    assert list(desired(indexed(both, versions, runtimes=RUNTIMES), folders=("other",)).specs) == ["b"]


def test_tags_that_still_serve_an_old_runtime_are_reported() -> None:
    found = desired(
        indexed(
            [function("a")],
            [version("v1", "id-a", tags=("blue",), runtime="python38"), version("v2", "id-a", runtime="python312")],
            runtimes=RUNTIMES,
        )
    )
    assert board(found) == {"a": "old tags"}
    assert (found.board or ())[0].note == "tags still serve an old runtime: blue (python38, v1)"


def test_what_the_new_runtime_does_not_allow_stops_that_function() -> None:
    functions = [function("a"), function("b")]
    versions = [
        version("v1", "id-a", runtime="nodejs16", concurrency="4"),
        version("v2", "id-b", runtime="nodejs16", concurrency="4"),
    ]
    found = desired(indexed(functions, versions, runtimes=RUNTIMES), old=("nodejs16",), to="nodejs22")
    assert found.failures == {}
    assert forbidden("python312", settings(concurrency=4)).startswith("it has concurrency = 4, which python312")
    assert forbidden("python312", settings(concurrency=1)) == ""


@pytest.mark.parametrize(
    ("old", "to", "changes", "words"),
    [
        ("python38", "python312", {}, ["Yandex SDK", "Ubuntu 22.04", "preloaded"]),
        ("python311", "python312", {}, []),
        ("nodejs16", "nodejs22", {}, []),
        ("nodejs12", "nodejs22", {"environment": {"X_YCF_NO_RUNTIME_POOL": "1"}}, ["Yandex SDK", "Ubuntu 22.04"]),
        ("golang119", "golang123", {}, ["Ubuntu 22.04"]),
        ("bash", "bash-2204", {}, ["Ubuntu 22.04"]),
    ],
)
def test_known_traps_are_warned_of(old: str, to: str, changes: dict[str, Any], words: list[str]) -> None:
    found = traps(old, to, settings(**changes))
    assert len(found) == len(words)
    assert all(word in trap for word, trap in zip(words, found, strict=True))


def test_each_trap_is_reported_once_with_all_whom_it_concerns() -> None:
    found = desired(there(a="python38", b="python39"))
    assert sum("Ubuntu 22.04" in warning for warning in found.warnings) == 1
    assert any(warning.endswith("(concerns a, b)") for warning in found.warnings)
