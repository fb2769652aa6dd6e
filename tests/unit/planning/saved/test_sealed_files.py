"""A changed file of a saved plan is refused or means exactly the same, and it contains no values."""

from __future__ import annotations

import hashlib
import random
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator.app.session.saved.files import check_sealed, check_unexpired, read_plan
from orchestrator.errors import UsageError
from orchestrator.model import Build, Failure, Gate, HttpCheck, Mount, Rollout, Storage, Verify
from orchestrator.model.live_state import indexed
from orchestrator.planning.saved.document import SavedPlan, marked_facts
from orchestrator.planning.saved.facts import facts_of_run
from orchestrator.planning.saved.seal import PlanKey
from orchestrator.planning.saved.shown import shown_plan, shown_rollout, shown_undeclared
from orchestrator.redaction.redactor import Redactor
from orchestrator.redaction.safe import to_json
from orchestrator.version.stamp import fingerprint
from tests.builders import function, settings, source, spec, tree, version
from tests.long import short_first
from tests.saved_plans import KEY, ROOT, document_of, planned, saved_of

PATH = Path("plan.json")
WANTED = spec(settings=settings(environment={"LEVEL": "info"}, tags=("stable",)), verify=Verify(), promote=("good",))
LIVE = indexed([function()], [version("v1", "id-f", description="by hand")])
SPECS = {"f": WANTED, "g": spec("g", create=True)}
BODY = to_json(document_of(saved_of(SPECS, planned(SPECS, LIVE))), indent=True).encode()
DOCUMENT = orjson.loads(BODY)


def taken(body: bytes) -> SavedPlan | None:
    """Return the plan that would be carried out, None if the file is refused."""
    try:
        plan = read_plan(PATH, body)
        check_sealed(PATH, plan, KEY)
    except UsageError:
        return None
    return plan


def test_the_file_as_it_was_written_is_taken() -> None:
    assert taken(BODY) == read_plan(PATH, orjson.dumps(DOCUMENT))


@pytest.mark.parametrize("seed", short_first(1, range(40)))
def test_a_flipped_byte_is_refused_or_means_the_same(seed: int) -> None:
    """Every byte, each to another value that the seed draws."""
    rng, same = random.Random(seed), 0
    for at in range(len(BODY)):
        other = bytearray(BODY)
        other[at] ^= rng.randrange(1, 256)
        found = taken(bytes(other))
        if found is not None:
            same += 1
            assert found.document == DOCUMENT, f"byte {at} became {other[at]!r}"
    assert same < len(BODY) / 2  # for example other white space


@pytest.mark.parametrize("length", [0, 1, len(BODY) // 3, len(BODY) // 2, len(BODY) - 2])
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(UsageError, match="is not a saved plan"):
        read_plan(PATH, BODY[:length])


def test_a_file_with_more_or_less_than_was_sealed_is_refused() -> None:
    less = {**DOCUMENT, "units": DOCUMENT["units"][:1]}
    more = {**DOCUMENT, "more": 1}
    twice = BODY.replace(b'"dirty": false', b'"dirty": false, "dirty": true')
    assert [taken(body) for body in (orjson.dumps(less), orjson.dumps(more), twice)] == [None] * 3
    resealed = {**less, "seal": PlanKey(b"x" * 32).seal(less)}
    assert taken(orjson.dumps(resealed)) is None


@pytest.mark.parametrize("key", sorted({*DOCUMENT, *DOCUMENT["units"][0]} - {"schema", "seal"}))
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [1], {"a": 1}])
def test_nonsense_in_any_place_is_an_error_and_no_crash(key: str, value: Any) -> None:
    document = orjson.loads(BODY)
    document[key] = value
    document["units"] = [{**DOCUMENT["units"][0], key: value}] if key in DOCUMENT["units"][0] else document["units"]
    try:
        plan = read_plan(PATH, orjson.dumps(document))
        check_unexpired(PATH, plan, datetime(2026, 11, 28, tzinfo=UTC))
    except UsageError:
        return
    assert not KEY.is_sealed(plan.document) or document == DOCUMENT
    with suppress(KeyError, TypeError, ValueError, AttributeError):  # which `show` reports as a changed file
        assert len(shown_plan(plan).units) == len(plan.units)
        shown_rollout(plan)
        shown_undeclared(plan)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"schema": "orchestrator/saved-plan/2"}, "its schema is orchestrator/saved-plan/2, and this one"),
        ({"schema": "orchestrator/saved-plan/0"}, "is not a saved plan"),
        ({"program": "99.0.0"}, r"newer orchestrator \(99.0.0\); this is"),
        ({"schema": "orchestrator/plan/1"}, "is not a saved plan"),
        ({"schema": 1}, "is not a saved plan"),
        ({"options": {"force": True}}, "cannot be understood"),
        ({"units": [{}]}, "cannot be understood"),
    ],
)
def test_what_is_no_plan_of_this_program_is_reported(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        read_plan(PATH, orjson.dumps({**DOCUMENT, **changed}))
    assert error.value.exit == 2
    assert error.value.advice


def test_a_plan_expires_at_its_time_and_not_before() -> None:
    plan = read_plan(PATH, BODY)
    check_unexpired(PATH, plan, datetime(2026, 11, 28, 22, 59, 59, tzinfo=UTC))
    with pytest.raises(UsageError, match="expired at"):
        check_unexpired(PATH, plan, datetime(2026, 11, 28, 23, tzinfo=UTC))
    for never in ("", "soon", "2026-11-28T23:00:00"):
        with pytest.raises(UsageError, match="when it expires"):
            check_unexpired(PATH, replace(plan, expires_at=never), datetime(2026, 11, 28, tzinfo=UTC))


SECRET, TOKEN = "correct-horse-1", f"t1.9euelZ{'q' * 40}.{'Z' * 86}"
LEAKY = spec(
    settings=settings(
        environment={"LEVEL": "plain-value-7", "DB_PASSWORD": SECRET, "DSN": f"pg://u:{SECRET}@db/x"},
        description=f"uses {SECRET} and {TOKEN}",
        mounts=(Mount("data", bucket="b", prefix=SECRET),),
    ),
    labels={"owner": SECRET, "api": TOKEN},
    function_description=f"has {SECRET}",
    create=True,
    verify=Verify(http=HttpCheck(headers={"Authorization": f"Bearer {TOKEN}"}, body=SECRET)),
    code=source(build=Build(f"TOKEN={TOKEN} make PASSWORD={SECRET}", Path("/src"))),
)


def file_of_leaky() -> str:
    """Save a plan of a function that has secrets in every text field."""
    redactor = Redactor()
    redactor.add_function(LEAKY, labels=False)
    trees = {"f": tree()}
    plan = planned({"f": LEAKY}, indexed([], []), trees)
    (unit,) = plan.units
    failure = Failure(f"refused: {SECRET}", advice=f"not {TOKEN}", detail=SECRET)
    unit = replace(unit, reason=f"{unit.reason}: {SECRET}", warnings=(f"{TOKEN} in it",), failure=failure)
    run = facts_of_run(Rollout(gate=Gate(("./gate", TOKEN, SECRET), ROOT)), Storage(), ROOT)
    plan = replace(plan, units=(unit,))
    return to_json(document_of(saved_of({"f": LEAKY}, plan, trees, hide=redactor.value, run=run)))


def test_no_value_is_in_the_file_and_no_hash_that_anybody_could_try_values_against() -> None:
    text = file_of_leaky()
    for value in (SECRET, TOKEN, TOKEN[:20], "plain-value-7", f"pg://u:{SECRET}@db/x"):
        assert value not in text
        for raw in (value.encode(), orjson.dumps(value)):
            for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
                assert getattr(hashlib, name)(raw).hexdigest()[:12] not in text, (value, name)


def test_the_fingerprint_in_the_file_is_none_to_try_values_against() -> None:
    """A version's own fingerprint is a hash of its settings, including values, and needs no key."""
    plain = fingerprint(LEAKY.settings, "0" * 16)
    assert plain.settings not in file_of_leaky()


def test_equal_values_have_marks_of_their_own_in_each_place_and_with_each_key() -> None:
    places = [("f", "A"), ("f", "B"), ("g", "A")]
    marks = [*(KEY.mark(*place, "x") for place in places), PlanKey(b"o" * 32).mark("f", "A", "x")]
    assert len({*marks}) == len(marks)
    assert KEY.mark("f", "A", "x") == marks[0]
    assert KEY.secret.hex() not in repr(KEY)
    one, other = (marked_facts(KEY, unit, {"environment.A": "x", "environment.B": "x"}) for unit in "fg")
    assert len({*one.values(), *other.values()}) == 4
