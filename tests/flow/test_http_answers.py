"""Any answer is either valid or one error that is safe to show."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from orchestrator.cloud.answers import Answer, Raw, http_date, poll_after_s, read, retry_after_s
from orchestrator.cloud.wording import EXCERPT_CHARACTERS, excerpt
from orchestrator.errors import CloudError

SECRET = "t1.9euelZqVkJ.abcdefghijklmnopqrstuvwxyz"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ERROR_LIKE = st.fixed_dictionaries({}, optional={"code": JSON, "message": JSON, "details": JSON, "id": JSON})
BODIES = st.binary(max_size=300) | st.builds(orjson.dumps, JSON | ERROR_LIKE)


@given(BODIES, st.integers(100, 599), st.dictionaries(st.sampled_from(["Retry-After", "Date", "Location"]), st.text()))
def test_any_answer_is_an_object_or_one_error(content: bytes, status: int, headers: dict[str, str]) -> None:
    raw = Raw("createVersion", URL("https://f.test/x"), status, headers, content, "c-1", SECRET)
    found = outcome(raw)
    assert found.http_status == status
    assert found.client_request_id == "c-1"
    assert isinstance(found, CloudError) or 200 <= status < 300
    assert isinstance(found, Answer) or found.message


def outcome(raw: Raw) -> Answer | CloudError:
    try:
        return read(raw, 0.0)
    except CloudError as error:
        return error


@given(st.text(max_size=400), st.integers(0, 200))
def test_an_excerpt_is_short_printable_and_without_the_secret(text: str, place: int) -> None:
    shown = excerpt((text[:place] + SECRET + text[place:]).encode("utf-8", "replace"), SECRET)
    assert len(shown) <= EXCERPT_CHARACTERS
    assert shown.isprintable()
    assert SECRET not in shown


@given(st.text())
def test_any_header_gives_a_wait_or_none(value: str) -> None:
    for wait_s in (retry_after_s({"Retry-After": value}, 0.0), poll_after_s({"x-operation-poll-interval": value}, 0.0)):
        assert wait_s is None or wait_s >= 0


@pytest.mark.parametrize(
    "value", ["Wed, 21 Oct 2026 07:28:00 GMT", "Wed Oct 21 07:28:00 2026", "Wed, 21 Oct 2026 10:28:00 +0300"]
)
def test_dates_are_read_as_utc(value: str) -> None:
    found = http_date(value)
    assert found is not None
    assert found.isoformat() == "2026-10-21T07:28:00+00:00"
