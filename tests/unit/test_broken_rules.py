"""The tests of pure rules detect breakage: adoption, manifest layers and redaction, broken on purpose one rule at a
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from json import dumps
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from orchestrator.manifest import merge
from orchestrator.manifest.includes import scope
from orchestrator.redaction import outlet, redactor
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.version import adoption
from orchestrator.version.adoption import Adoption
from orchestrator.version.codecs import Int64
from orchestrator.version.fields import FIELDS, FilledIn
from tests.builders import spec
from tests.long import LONG
from tests.unit.manifest import test_layers as layers
from tests.unit.redaction import test_harmless as harmless
from tests.unit.redaction import test_redactor as secrets
from tests.unit.version import test_adoption as lost
from tests.unit.version import test_adoption_names as names

Break = Callable[[pytest.MonkeyPatch], None]
Check = Callable[[Path], object]


# --- adoption -------------------------------------------------------------------------------------------------------


def guard_all_rows_but_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adoption, "FIELDS", tuple(row for row in FIELDS if row.setting != "tmpfs_size_bytes"))


def take_less_for_as_much(patch: pytest.MonkeyPatch) -> None:
    whole = Int64.lost
    patch.setattr(Int64, "lost", lambda self, *rest: [one for one in whole(self, *rest) if " → " not in one])


def pass_over_what_is_not_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adoption, "unknown_fields", lambda _raw: ())


def miss_what_has_moved_to_the_other_table(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adoption, "FIELDS", tuple(replace(row, or_in="") for row in FIELDS))


def guard_what_the_cloud_has_filled_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adoption, "FIELDS", tuple(replace(row, filled_in=FilledIn.NOTHING) for row in FIELDS))


def guard_what_is_let_go(patch: pytest.MonkeyPatch) -> None:
    whole = adoption.taken_away
    patch.setattr(lost, "taken_away", lambda *some, **more: whole(*some, **{**more, "let_go": ()}))


def adopt_any_version_of_the_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Adoption, "allows", lambda self, given, _id: any(name in given for name, _ in self.versions))


def adopt_the_version_of_any_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Adoption, "allows", lambda self, _given, version_id: any(one == version_id for _, one in self.versions)
    )


def all_lost(_: Path) -> None:
    for row in chain.from_iterable(lost.LOST.values()):
        lost.test_what_would_be_taken_away(row)


def all_kept(_: Path) -> None:
    for live, desired in lost.KEPT:
        lost.test_other_values_more_and_what_the_cloud_fills_in_are_no_loss(live, desired)


# --- layers ---------------------------------------------------------------------------------------------------------


def replace_every_list(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merge, "laid_over", lambda _below, above, _key: above)


def add_every_list_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merge, "laid_over", lambda below, above, _key: [*below, *above])


def take_nothing_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merge, "take", lambda *_: True)


def take_the_whole_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merge, "take", lambda values, path: values.pop(path.partition(".")[0], None) is not None)


def take_away_after_the_own_keys(patch: pytest.MonkeyPatch) -> None:
    whole = merge.merge

    def late(tables: Iterable[dict[str, Any]]) -> dict[str, Any]:
        tables = list(tables)
        merged = whole({key: value for key, value in one.items() if key != "without"} for one in tables)
        for path in chain.from_iterable(one.get("without", ()) for one in tables):
            merge.take(merged, path)
        return merged

    patch.setattr(scope, "merge", late)


def replace_every_table(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(merge, "_laid_over", lambda _below, above, _key: above)


def all_taken(folder: Path) -> None:
    for path in layers.TAKEN:
        layers.test_without_takes_an_inherited_value_away(folder, path)


# --- redaction ------------------------------------------------------------------------------------------------------


def hide_words_of_ours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Redactor, "protect", lambda *_: None)


def hide_no_variables(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(redactor, "is_secret_variable", lambda _name: False)


def hide_every_variable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(redactor, "is_secret_variable", lambda _name: True)


def know_a_value_as_it_is_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(redactor, "dumps", lambda value, **_: f'"{value}"')
    patch.setattr(redactor, "quote", lambda value, **_: value)


def hide_the_first_that_fits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(redactor, "max", min, raising=False)


def hide_a_word_within_another(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Redactor, "_is_other_word", Redactor._is_kept)


def take_a_reason_for_an_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(redactor, "EXACT", redactor.EXACT | {"reason"})
    redactor._text_fields.cache_clear()


def let_lines_command(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outlet, "uncommanding", lambda text: text)


def let_lines_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outlet, "one_line", lambda text: text)


def reported() -> Outlet:
    made = Outlet(Redactor())
    for name in harmless.NAMES:
        made.redactor.add_function(spec(name, name=f"prod-{name}", settings=harmless.SETTINGS))
    return made


def all_harmless(_: Path) -> None:
    made = reported()
    for word in harmless.HARMLESS:
        harmless.test_no_harmless_word_is_ever_hidden(made, word, "function={}")


def a_password(_: Path) -> None:
    harmless.test_what_is_secret_is_hidden(reported(), "password hunter2 is wrong", "password [redacted] is wrong")


def every_form(_: Path) -> None:
    made = Redactor()
    made.add(secrets.KNOWN)
    for text in (secrets.KNOWN, dumps(secrets.KNOWN), quote(secrets.KNOWN, safe="")):
        secrets.test_a_known_value_is_hidden_in_every_form(made, text)


def nothing_is_commanded(_: Path) -> None:
    assert reported().line("a\n::error::b") == "a\\n::error::b"
    assert not reported().line("::error::b").startswith("::error::")


def alone(test: Callable[[], object]) -> Check:
    return lambda _: test()


BROKEN: list[tuple[Break, Check]] = [
    (guard_all_rows_but_one, all_lost),
    (take_less_for_as_much, all_lost),
    (pass_over_what_is_not_known, alone(lost.test_several_losses_stand_side_by_side)),
    (miss_what_has_moved_to_the_other_table, all_kept),
    (guard_what_the_cloud_has_filled_in, all_kept),
    (guard_what_is_let_go, alone(lost.test_what_is_let_go_by_name_is_not_guarded)),
    (adopt_any_version_of_the_name, alone(names.test_what_was_said_of_a_version_does_not_hold_for_the_next)),
    (adopt_the_version_of_any_name, alone(names.test_a_version_that_is_named_may_lose_what_it_has)),
    (replace_every_list, layers.test_secrets_merge_by_variable_in_the_order_of_the_farther_table),
    (add_every_list_up, layers.test_tags_include_and_subnets_replace),
    (take_nothing_away, all_taken),
    (take_the_whole_away, all_taken),
    (take_away_after_the_own_keys, layers.test_what_is_taken_away_may_come_again),
    (replace_every_table, layers.test_tags_include_and_subnets_replace),
    (hide_words_of_ours, all_harmless),
    (hide_no_variables, a_password),
    (hide_every_variable, all_harmless),
    (know_a_value_as_it_is_alone, every_form),
    (hide_the_first_that_fits, alone(secrets.test_of_two_known_values_the_longer_is_hidden_whole)),
    (hide_a_word_within_another, alone(harmless.test_a_plain_word_is_hidden_where_it_stands_alone)),
    (take_a_reason_for_an_id, alone(secrets.test_every_sentence_of_every_event_is_redacted)),
    (let_lines_command, nothing_is_commanded),
    (let_lines_in, nothing_is_commanded),
]
SHORT = {guard_all_rows_but_one, replace_every_list, hide_no_variables}  # the others are in `make long`


def cases() -> Iterator[Any]:
    for broken, check in BROKEN:
        yield pytest.param(broken, check, marks=() if broken in SHORT else LONG, id=broken.__name__)


@pytest.mark.parametrize(("broken", "check"), list(cases()))
def test_a_broken_rule_is_caught(broken: Break, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    check(tmp_path / "whole")
    try:
        broken(monkeypatch)
        with pytest.raises(AssertionError):
            check(tmp_path / "broken")
    finally:
        redactor._text_fields.cache_clear()
