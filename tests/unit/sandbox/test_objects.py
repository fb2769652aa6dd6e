from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.sandbox.memory.objects import Objects, RefusedError

MD5_OF_ABC = "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321


@pytest.fixture(params=["memory", "disk"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return Objects(tmp_path / "s3" if request.param == "disk" else None, ["bucket"])


def content(objects: Objects, key: str) -> bytes | None:
    body = objects.get("bucket", key)
    return body.read_bytes() if isinstance(body, Path) else body


def test_what_is_put_is_got(objects: Objects) -> None:
    stored = objects.put("bucket", "k", b"abc", modified_at=7.0)
    assert (stored.etag, stored.size_bytes, stored.modified_at) == (MD5_OF_ABC, 3, 7.0)
    assert objects.head("bucket", "k") == stored
    assert content(objects, "k") == b"abc"


def test_what_is_not_there_is_none(objects: Objects) -> None:
    assert objects.head("bucket", "k") is None
    assert objects.get("bucket", "k") is None
    assert not objects.delete("bucket", "k")


def test_a_put_replaces(objects: Objects) -> None:
    objects.put("bucket", "k", b"old")
    objects.put("bucket", "k", b"new")
    assert content(objects, "k") == b"new"


def test_what_is_deleted_is_gone(objects: Objects) -> None:
    objects.put("bucket", "k", b"abc")
    assert objects.delete("bucket", "k")
    assert objects.get("bucket", "k") is None


def refusal(objects: Objects, bucket: str = "bucket", key: str = "k", **condition: str | bool) -> str:
    with pytest.raises(RefusedError) as caught:
        objects.put(bucket, key, b"other", **condition)  # type: ignore[arg-type] # one helper for both conditions
    return caught.value.code


def test_if_none_match_refuses_what_is_there(objects: Objects) -> None:
    objects.put("bucket", "k", b"abc", if_none_match=True)
    assert refusal(objects, if_none_match=True) == "PreconditionFailed"
    assert content(objects, "k") == b"abc"


def test_if_match_refuses_another_etag_and_nothing_at_all(objects: Objects) -> None:
    assert refusal(objects, if_match=MD5_OF_ABC) == "PreconditionFailed"
    objects.put("bucket", "k", b"abc")
    assert refusal(objects, if_match="0" * 32) == "PreconditionFailed"
    objects.put("bucket", "k", b"new", if_match=MD5_OF_ABC)
    objects.put("bucket", "k", b"newer", if_match="*")
    assert content(objects, "k") == b"newer"


def test_a_missing_bucket_is_refused(objects: Objects) -> None:
    assert refusal(objects, bucket="other") == "NoSuchBucket"
    for call in (objects.head, objects.get, objects.delete):
        with pytest.raises(RefusedError):
            call("other", "k")


@pytest.mark.parametrize("key", ["", "k" * 1024, "ü" * 512])
def test_a_key_too_long_or_empty_is_refused(objects: Objects, key: str) -> None:
    assert refusal(objects, key=key) == "KeyTooLongError"


@pytest.mark.parametrize("key", ["k" * 1023, "ü" * 511])
def test_the_longest_key_is_accepted(objects: Objects, key: str) -> None:
    objects.put("bucket", key, b"new")
    assert content(objects, key) == b"new"


@pytest.mark.parametrize("name", ["", "ab", "Upper", "a_b", "..", "a..b", "../x", "-ab", "ab.", "x" * 64, "a/b"])
def test_a_bad_name_of_a_bucket_is_refused(objects: Objects, name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        objects.create_bucket(name)
    assert caught.value.code == "InvalidBucketName"


def test_a_bucket_is_made_once(objects: Objects) -> None:
    assert objects.create_bucket("another.bucket-1")
    assert not objects.create_bucket("another.bucket-1")
    assert objects.buckets == ("another.bucket-1", "bucket")


def test_listing_is_paged_in_order_of_bytes(objects: Objects) -> None:
    keys = ["a/1", "a/10", "a/2", "a/é", "a/\U0001f600", "b"]
    for key in reversed(keys):
        objects.put("bucket", key, b"")
    seen: list[str] = []
    token = ""
    while True:
        page = objects.list("bucket", "a/", token, limit=2)
        seen += [stored.key for stored in page.objects]
        token = page.token
        if not token:
            break
    assert seen == sorted(keys[:-1], key=str.encode)


def test_bytes_that_are_not_committed_leave_nothing(tmp_path: Path) -> None:
    objects = Objects(tmp_path, ["bucket"])
    with objects.incoming("bucket") as incoming:
        incoming.write(b"half")
    assert objects.list("bucket").objects == ()
    assert list((tmp_path / "bucket").iterdir()) == []


def test_objects_outlive_the_process(tmp_path: Path) -> None:
    before = Objects(tmp_path, ["bucket"])
    stored = before.put("bucket", "../../ü", b"abc", modified_at=7.0)
    before.put("bucket", "gone", b"")
    before.delete("bucket", "gone")
    after = Objects(tmp_path, ["bucket"])
    assert after.list("bucket").objects == (stored,)
    assert content(after, "../../ü") == b"abc"


def test_what_a_killed_process_left_half_done_is_cleared_away(tmp_path: Path) -> None:
    before = Objects(tmp_path, ["bucket"])
    before.put("bucket", "k", b"abc")
    (tmp_path / "bucket" / "1.part").write_bytes(b"half")
    (tmp_path / "bucket" / "2").write_bytes(b"whole, but of no object")
    after = Objects(tmp_path)
    assert content(after, "k") == b"abc"
    assert len(list((tmp_path / "bucket").iterdir())) == 2


def test_replacing_leaves_no_file_behind(tmp_path: Path) -> None:
    objects = Objects(tmp_path, ["bucket"])
    for number in range(3):
        objects.put("bucket", "k", b"%d" % number)
    assert len(list((tmp_path / "bucket").iterdir())) == 2


@given(keys=st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200), max_size=5))
def test_any_key_stays_inside_its_bucket(tmp_path_factory: pytest.TempPathFactory, keys: set[str]) -> None:
    root = tmp_path_factory.mktemp("objects")
    objects = Objects(root / "s3", ["bucket"])
    for key in keys:
        objects.put("bucket", key, key.encode())
    assert {key: content(objects, key) for key in keys} == {key: key.encode() for key in keys}
    assert [path.name for path in root.iterdir()] == ["s3"]
    assert [path.name for path in (root / "s3").iterdir()] == ["bucket"]
