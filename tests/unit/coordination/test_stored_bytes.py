"""Leases and claims as the first program wrote them, byte for byte: machines with different programs share a bucket."""

from __future__ import annotations

import pytest

from orchestrator.coordination.claim import Record, Running, StoppedDue, decode_claim
from orchestrator.coordination.registry import Holder, Registry, decode, digest

ONE = Holder(
    run_id="one", owner="host:64769:42", who="`orchestrator deploy`, process 7 on host",
    since="2027-01-01 12:00:00 UTC", functions=frozenset({digest("folder/f"), digest("folder/g")}), fencing=1,
)  # fmt: skip
TWO = Holder(
    run_id="two", owner="другой:1:2", who='`orchestrator deploy "é"`', since="2027-01-01 12:00:05 UTC",
    functions=frozenset({digest("folder/h")}), fencing=2, beat=12,
)  # fmt: skip
LEASES = {
    "all ended": (Registry(fencing=2), b'{"schema": 1, "fencing": 2, "leases": []}'),
    "one": (
        Registry(1, (ONE,)),
        (
            b'{"schema": 1, "fencing": 1, "leases": [{"run_id": "one", "owner": "host:64769:42", '
            b'"who": "`orchestrator deploy`, process 7 on host", "since": "2027-01-01 12:00:00 UTC", "fencing": 1, '
            b'"beat": 0, "functions": "Vd57mIv-wPWLCN5Z"}]}'
        ),
    ),
    "two, after beats": (
        Registry(2, (ONE, TWO)).with_beat("one"),
        (
            b'{"schema": 1, "fencing": 2, "leases": [{"run_id": "one", "owner": "host:64769:42", '
            b'"who": "`orchestrator deploy`, process 7 on host", "since": "2027-01-01 12:00:00 UTC", "fencing": 1, '
            b'"beat": 1, "functions": "Vd57mIv-wPWLCN5Z"}, {"run_id": "two", '
            rb'"owner": "\u0434\u0440\u0443\u0433\u043e\u0439:1:2", "who": "`orchestrator deploy \"\u00e9\"`", '
            b'"since": "2027-01-01 12:00:05 UTC", "fencing": 2, "beat": 12, "functions": "2i6g63CK"}]}'
        ),
    ),
}
CLAIMS = {
    "first call": (
        Record("2027-01-01T12:00:00Z"),
        b'{"done_until": "2027-01-01T12:00:00Z", "running": null, "schema": 1}',
    ),
    "claimed": (
        Record("2027-01-01T12:00:00Z", Running("2027-01-01T13:00:00Z", "a", "host")),
        (
            b'{"done_until": "2027-01-01T12:00:00Z", "running": {"beat": 0, "due_at": "2027-01-01T13:00:00Z", '
            b'"host": "host", "run_id": "a"}, "schema": 1}'
        ),
    ),
    "ended by a breach": (
        Record("2027-01-01T12:00:00Z", breach=StoppedDue("2027-01-01T13:00:00Z", "a", "1 of 2 failed")),
        (
            b'{"breach": {"due_at": "2027-01-01T13:00:00Z", "run_id": "a", "why": "1 of 2 failed"}, '
            b'"done_until": "2027-01-01T12:00:00Z", "running": null, "schema": 1}'
        ),
    ),
    "after beats": (
        Record("2027-01-01T12:00:00Z", Running("2027-01-01T13:00:00Z", "a", "хост", beat=12)),
        (
            b'{"done_until": "2027-01-01T12:00:00Z", "running": {"beat": 12, "due_at": "2027-01-01T13:00:00Z", '
            rb'"host": "\u0445\u043e\u0441\u0442", "run_id": "a"}, "schema": 1}'
        ),
    ),
}


@pytest.mark.parametrize("state", LEASES)
def test_leases_are_written_and_read_as_ever(state: str) -> None:
    registry, stored = LEASES[state]
    assert registry.encode() == stored
    assert decode(stored, "leases.json") == registry


@pytest.mark.parametrize("state", CLAIMS)
def test_claims_are_written_and_read_as_ever(state: str) -> None:
    record, stored = CLAIMS[state]
    assert record.encode() == stored
    assert decode_claim(stored, "claims/f/nightly.json") == record
