from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.manifest.load import load
from orchestrator.model import CloudAddress, Limits, Manifest, Rollout, Storage
from orchestrator.planning.selection import lost_canary, select, two_phase_mistakes
from tests.builders import spec

FUNCTIONS = {
    "auth-login": spec("auth-login", labels={"team": "auth"}),
    "auth-logout": spec("auth-logout", labels={"team": "auth", "tier": "1"}),
    "thumbnailer": spec("thumbnailer", labels={"team": "media"}),
    "legacy": spec("legacy", enabled=False, labels={"team": "auth"}),
}
MANIFEST = Manifest(Path("deploy.toml"), CloudAddress(), Storage(), Limits(), Rollout(), FUNCTIONS, {})


@pytest.mark.parametrize(
    ("patterns", "labels", "expected"),
    [
        ((), (), ["auth-login", "auth-logout", "thumbnailer"]),
        (("thumbnailer",), (), ["thumbnailer"]),
        (("thumbnailer", "auth-*"), (), ["auth-login", "auth-logout", "thumbnailer"]),
        (("*",), (), ["auth-login", "auth-logout", "thumbnailer"]),
        ((), ("team=auth",), ["auth-login", "auth-logout"]),
        ((), ("team=auth", "tier=1"), ["auth-logout"]),
        (("*login",), ("team=auth",), ["auth-login"]),
    ],
)
def test_selection(patterns: tuple[str, ...], labels: tuple[str, ...], expected: list[str]) -> None:
    assert list(select(MANIFEST, patterns, labels)) == expected


@pytest.mark.parametrize(
    ("patterns", "labels", "message", "advice"),
    [
        (("thumbnaler",), (), 'no function matches "thumbnaler"', 'did you mean "thumbnailer"?'),
        (("zzz*",), (), 'no function matches "zzz*"', "deploy.toml has auth-login, auth-logout, thumbnailer"),
        (("legacy",), (), 'function "legacy" is disabled', "remove `enabled = false` at deploy.toml:1"),
        ((), ("team=none",), "no function is selected", "deploy.toml has auth-login, auth-logout, thumbnailer"),
        ((), ("team",), '"team" is not a label', "write --label key=value"),
    ],
)
def test_bad_selections(patterns: tuple[str, ...], labels: tuple[str, ...], message: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(MANIFEST, patterns, labels)
    assert (caught.value.message, caught.value.advice) == (message, advice)


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        ((), ""),
        (("thumbnailer", "auth-*", "label:team=media", "!auth-login"), ""),
        (("thumbnailr",), 'no function matches "thumbnailr"; did you mean "thumbnailer"?'),
        (("label:team=none",), 'no function matches "label:team=none"; '),
        (("auth-*", "x-*", "y-*"), 'no function matches "x-*", "y-*"; '),
        (("legacy",), 'function "legacy" is disabled; remove `enabled = false` at '),
    ],
)
def test_a_canary_that_matches_nothing(canary: tuple[str, ...], says: str) -> None:
    found = lost_canary(MANIFEST, canary)
    assert found.startswith(says)
    assert bool(found) == bool(says)


@pytest.mark.parametrize(
    ("rollout", "promote", "says"),
    [
        (
            "two_phase = true",
            "",
            "l:2: rollout.two_phase: needs `promote` on every function: ant, bee have none; write ",
        ),
        ("two_phase = true", 'promote = ["stable"]', ""),
        ("two_phase = false", "", ""),
    ],
)
def test_two_phases_of_functions_without_promote_are_a_mistake(
    tmp_path: Path, rollout: str, promote: str, says: str
) -> None:
    path = tmp_path / "manifest.toml"
    common = f'runtime = "python312"\nentrypoint = "index.handler"\nmemory = "128MB"\nsource = "."\n{promote}\n'
    tables = "".join(f"[functions.{key}]\n" for key in ("ant", "bee")) + "[functions.cat]\nenabled = false\n"
    path.write_text(f"[rollout]\n{rollout}\n[defaults]\n{common}{tables}")
    found = [str(one) for one in two_phase_mistakes(load(path, {"YC_FOLDER_ID": "b1g"}))]
    assert len(found) == bool(says)
    assert all(says in one for one in found), found


def test_where_nothing_is_declared_a_canary_is_looked_for_in_what_is_live() -> None:
    assert lost_canary(replace(MANIFEST, functions={}), ("ping",)) == ""
