"""The mark that a rollback leaves in a description, and how the rest is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Fingerprint
from orchestrator.version.stamp import (
    back_mark,
    marked_back,
    read_back_mark,
    read_stamp,
    stamped,
    text_before,
    without_stamp,
)
from tests.builders import version

FORMER = Fingerprint("a" * 16, "b" * 16, marks=(("j", "nightly"),))
WITHDRAWN = Fingerprint("c" * 16, "d" * 16)
MADE = version("v1", "f", description=stamped("mine", FORMER))
MARK = back_mark(WITHDRAWN, MADE)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), max_size=60)


@given(texts)
def test_a_stamp_is_read_past_a_back_mark_and_the_text_too(text: str) -> None:
    description = stamped(text, FORMER)
    marked = marked_back(description, MARK)
    assert read_back_mark(marked) == MARK
    assert (read_stamp(marked), text_before(marked)) == (read_stamp(description), text_before(description))
    assert without_stamp(marked) == without_stamp(description)


@given(texts)
def test_a_description_without_a_stamp_has_none_behind_a_back_mark(text: str) -> None:
    assert read_stamp(marked_back(text, MARK)) == read_stamp(text)
    assert text_before(marked_back(text, MARK)) == text_before(text)


def test_a_copy_made_by_a_rollback_has_another_whole_stamp_than_what_it_copies() -> None:
    description = stamped("mine", FORMER)
    marked = read_stamp(marked_back(description, MARK))
    assert marked == FORMER
    assert marked is not None
    assert marked.marks == (*FORMER.marks, ("back", MARK))


def test_a_second_rollback_replaces_the_mark_of_the_first() -> None:
    twice = marked_back(marked_back("mine", "0" * 8), MARK)
    assert twice == f"mine [orchestrator:back:{MARK}]"


@pytest.mark.parametrize(("length", "fits"), [(571, True), (572, False), (600, False)])
def test_a_mark_that_does_not_fit_is_left_out_and_nothing_else(length: int, fits: bool) -> None:
    text = "x" * length
    marked = marked_back(text, MARK)
    assert (read_back_mark(marked) == MARK, text_before(marked), len(marked) <= 600) == (fits, text, True)


def test_a_mark_is_of_settings_and_code() -> None:
    forced = Fingerprint("c" * 16, "d" * 16, forced="e" * 8)
    assert back_mark(forced, MADE) == MARK != back_mark(FORMER, MADE)
    assert [read_back_mark(text) for text in ("", "[orchestrator:back:12345]", f"[orchestrator:back:{MARK}] x")] == [
        ""
    ] * 3
