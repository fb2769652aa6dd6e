from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.function.fields import function_key
from orchestrator.model import BucketPackage, Code, Fingerprint, Mount, Secret, Settings, Tree, VersionCopy
from orchestrator.version import stamp
from orchestrator.version.stamp import (
    DESCRIPTION_MAX_CHARS,
    JOB_MARK,
    JOB_MARK_MAX_CHARS,
    STAMP_MAX_CHARS,
    base_mark,
    code_digest,
    code_marks,
    is_same,
    job_of_mark,
    job_words,
    no_room,
    object_changed,
    read_stamp,
    short_mark,
    stamped,
    version_key,
    without_stamp,
)
from tests.builders import settings, source, tree, version


def fingerprint(given: Settings, code: Code, given_tree: Tree | None = None) -> Fingerprint:
    return stamp.fingerprint(given, code_digest(code, given_tree))


# Golden vectors: an upgrade of the program that changes one of these would redeploy everything that is live.
GOLDEN = [
    (settings(), source(), tree(), "6ef5010f52cf0a4d.42029840918783a1"),
    (settings(environment={"B": "2", "A": "1"}, tags=("stable", "blue")), BucketPackage("b", "o", "c" * 64), None,
     "92ea3aa92501093e.96755606235437f0"),
    (settings(secrets=(Secret("TOKEN", "token", id="e6q1", version_id="e6q2"),), memory_bytes=2**30),
     VersionCopy("d4e1"), None, "4d1207ba38fc8fb6.9e846b93746b86fc"),
]  # fmt: skip


@pytest.mark.parametrize(("given_settings", "code", "given_tree", "digest"), GOLDEN)
def test_golden_fingerprints(given_settings: Settings, code: Code, given_tree: Tree | None, digest: str) -> None:
    assert str(fingerprint(given_settings, code, given_tree)) == digest


def test_where_the_source_lies_does_not_count_but_what_it_holds_does() -> None:
    one, other = source("/here"), source("/there", exclude=("*.md",))
    assert fingerprint(settings(), one, tree()) == fingerprint(settings(), other, tree())
    assert fingerprint(settings(), one, tree()) != fingerprint(settings(), one, tree("b" * 64))


def test_the_order_of_secrets_and_mounts_means_nothing_and_tags_are_no_part() -> None:
    a, b = Secret("A", "k", id="1", version_id="2"), Secret("B", "k", id="1", version_id="2")
    m, n = Mount("m", bucket="bbb"), Mount("n", bucket="bbb")
    one = settings(tags=("x", "y"), secrets=(a, b), mounts=(m, n))
    other = settings(tags=("z",), secrets=(b, a), mounts=(n, m))
    assert fingerprint(one, source(), tree()) == fingerprint(other, source(), tree())


@pytest.mark.parametrize(
    "changes",
    [
        {"runtime": "python311"}, {"entrypoint": "other.handler"}, {"memory_bytes": 2**28}, {"description": "text"},
        {"execution_timeout_s": 11.0}, {"service_account_id": "aje"}, {"environment": {"A": "1"}},
        {"secrets": (Secret("A", "k", id="1", version_id="2"),)}, {"concurrency": 2}, {"tmpfs_size_bytes": 2**29},
    ],
)  # fmt: skip
def test_every_setting_counts(changes: dict[str, object]) -> None:
    assert fingerprint(settings(**changes), source(), tree()) != fingerprint(settings(), source(), tree())


@given(st.text(max_size=500))
def test_a_stamp_is_read_back_and_leaves_the_text_readable_before_it(text: str) -> None:
    digest = Fingerprint("0123456789abcdef", "fedcba9876543210")
    description = stamped(text, digest)
    assert read_stamp(description) == digest
    assert description.startswith(text)
    assert len(description) <= len(text) + STAMP_MAX_CHARS
    assert without_stamp(description) == text.rstrip()


def test_a_forced_version_is_equal_to_what_it_repeats_and_yet_known_by_its_key() -> None:
    digest = Fingerprint("0" * 16, "1" * 16, stamp.forced_digest("2027-01-01T03:00:00Z"))
    found = read_stamp(stamped("text", digest))
    assert found == Fingerprint("0" * 16, "1" * 16)
    assert found.forced == digest.forced != stamp.forced_digest("another")
    assert len(stamped("", digest)) <= STAMP_MAX_CHARS


MARKED = f"[orchestrator:1:{'0' * 16}.{'1' * 16};j=nightly;c=0a1b2c3]"


def test_what_is_written_without_marks_is_what_it_always_was() -> None:
    assert stamped("text", Fingerprint("0" * 16, "1" * 16)) == f"text [orchestrator:1:{'0' * 16}.{'1' * 16}]"
    assert stamped("", Fingerprint("0" * 16, "1" * 16, "2" * 8)) == f"[orchestrator:1:{'0' * 16}.{'1' * 16}.{'2' * 8}]"


def test_marks_are_read_kept_and_no_part_of_what_is_compared() -> None:
    found = read_stamp(f"text {MARKED}")
    assert found == Fingerprint("0" * 16, "1" * 16)
    assert found.marks == (("j", "nightly"), ("c", "0a1b2c3"))
    assert str(found) == f"{'0' * 16}.{'1' * 16}"
    assert stamped("text", found) == f"text {MARKED}"


def test_marks_go_with_the_stamp() -> None:
    assert without_stamp(f"text {MARKED} \n") == "text"


_marks = st.tuples(
    st.from_regex(r"[a-z]{1,2}", fullmatch=True), st.text(st.characters(exclude_characters="[];"), max_size=5)
)


@given(st.text(max_size=500), st.sampled_from(["", "0123abcd"]), st.lists(_marks, max_size=4))
def test_any_marks_come_back_in_their_order(text: str, forced: str, marks: list[tuple[str, str]]) -> None:
    digest = Fingerprint("0123456789abcdef", "fedcba9876543210", forced, tuple(marks))
    description = stamped(text, digest)
    found = read_stamp(description)
    assert found is not None
    assert (found, found.forced, found.marks) == (digest, forced, tuple(marks))
    assert len(description) <= len(text) + STAMP_MAX_CHARS
    assert without_stamp(description) == text.rstrip()


@pytest.mark.parametrize(
    "mark", [("j", "a;b"), ("j", "a;b=c"), ("j", "]"), ("", "x"), ("a b", "x"), ("a=b;", "x"), ("j", "x" * 60)]
)
def test_marks_that_could_not_be_read_again_are_not_written(mark: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="marks"):
        stamped("text", Fingerprint("0" * 16, "1" * 16, "", (mark,)))


@pytest.mark.parametrize("marks", [";", ";j", ";=x", ";j=a]b", " ;j=x", "j=x"])
def test_what_looks_almost_like_marks_is_no_stamp(marks: str) -> None:
    description = f"[orchestrator:1:{'0' * 16}.{'1' * 16}{marks}]"
    assert read_stamp(description) is None
    assert without_stamp(description) == description


def test_a_description_of_somebody_else_has_no_stamp() -> None:
    assert read_stamp("made by hand") is None
    assert read_stamp(f"[orchestrator:99:{'0' * 16}.{'0' * 16}]") is None


def test_keys_are_uuids_that_any_machine_computes_alike() -> None:
    body = {"functionId": "d4e", "environment": {"A": "1", "B": "2"}}
    same = {"environment": {"B": "2", "A": "1"}, "functionId": "d4e"}
    assert version_key(body, "v0", 1) == version_key(same, "v0", 1)
    assert uuid.UUID(version_key(body, "v0", 1)).version == 5


def test_keys_differ_by_body_base_and_attempt() -> None:
    keys = {
        version_key({"functionId": "a"}, "v0", 1), version_key({"functionId": "b"}, "v0", 1),
        version_key({"functionId": "a"}, "v1", 1), version_key({"functionId": "a"}, None, 1),
        version_key({"functionId": "a"}, "v0", 2),
        function_key("a", "f", {}, 1), function_key("b", "f", {}, 1), function_key("a", "g", {}, 1),
        function_key("a", "f", {}, 2), function_key("a", "f", {"team": "x"}, 1),
    }  # fmt: skip
    assert len(keys) == 10


def test_code_is_known_again_however_often_it_was_copied() -> None:
    digest = code_digest(source(), tree())
    first = version("v1", "f", description=stamped("", stamp.fingerprint(settings(), digest)))
    second_digest = code_digest(VersionCopy("v1"), None, first)
    assert second_digest == digest
    by_hand = version("v0", "f", description="by hand")
    assert code_digest(VersionCopy("v0"), None, by_hand) == code_digest(VersionCopy("v0"), None)


@pytest.mark.parametrize("name", ["nightly", "to-python312", "n" * 60, "ночь", "a;b=[c] d", "", "x.y"])
def test_a_job_of_any_name_fits_into_a_stamp_beside_everything_else(name: str) -> None:
    mark = (JOB_MARK, short_mark(name, JOB_MARK_MAX_CHARS))
    marks = (("e", "0" * 8), mark, base_mark("d4e1"))
    digest = Fingerprint("0" * 16, "1" * 16, "2" * 8, marks)
    read = read_stamp(stamped("x" * DESCRIPTION_MAX_CHARS, digest))
    assert read is not None
    assert read.marks == marks
    assert len(stamped("x" * DESCRIPTION_MAX_CHARS, digest)) <= 600


def test_marks_of_two_jobs_differ_and_a_short_name_stays_as_it_is() -> None:
    assert short_mark("nightly", 10) == "nightly"
    assert short_mark("nightly-of-team-a", 10) != short_mark("nightly-of-team-b", 10)


def test_a_mark_is_shown_as_the_job_that_it_is_of_or_as_cut() -> None:
    names = ("nightly", "nightly-of-team-a", "nightly-of-team-b")
    marks = [short_mark(name, JOB_MARK_MAX_CHARS) for name in names]
    assert tuple(job_of_mark(mark, names) for mark in marks) == names
    assert job_of_mark(marks[1], ()) == marks[1]
    assert job_words(marks[0]) == "nightly"
    assert job_words(marks[1]) == f"{marks[1]} (a name of more than 10 characters is cut)"


def test_a_description_without_room_for_the_stamp_is_reported() -> None:
    assert no_room("x" * DESCRIPTION_MAX_CHARS) is None
    failure = no_room("x" * (DESCRIPTION_MAX_CHARS + 1))
    assert failure is not None
    assert "501 characters" in failure.message


def test_all_marks_that_there_are_fit_into_one_stamp() -> None:
    of_code = code_marks(BucketPackage("b", "o"), "etag", None)
    job = (JOB_MARK, short_mark("a-job-with-a-long-name", JOB_MARK_MAX_CHARS))
    marks = (*of_code, ("p", "2"), job, base_mark("d4e0"))
    digest = Fingerprint("0" * 16, "1" * 16, "2" * 8, marks)
    again = read_stamp(stamped("text", digest))
    assert again is not None
    assert again.marks == marks
    assert is_same(again, digest)


def test_another_object_is_another_version_and_an_unknown_one_is_not() -> None:
    one, other, unknown = (
        Fingerprint("0" * 16, "1" * 16, marks=code_marks(BucketPackage("b", "o"), etag)) for etag in ("a", "b", None)
    )
    assert [object_changed(one, now) for now in (one, other, unknown)] == [False, True, None]
    assert [is_same(one, now) for now in (one, other, unknown)] == [True, False, True]
