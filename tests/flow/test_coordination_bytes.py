"""What leases and claims write to the bucket over a whole course of events, byte for byte like the first program."""

from __future__ import annotations

import anyio

from orchestrator.prediction.virtual_time import run
from tests.flow.test_claim import first
from tests.flow.test_claim import held as claimed
from tests.flow.test_lease import Machine
from tests.memory_records import MemoryRecords


class Remembering(MemoryRecords):
    """Records that keep everything that was ever written."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    def _put(self, key: str, body: bytes) -> str:
        self.bodies.append(body.decode())
        return super()._put(key, body)


def lease(name: str, owner: str, since: str, fencing: int, beat: int, functions: str) -> str:
    return (
        f'{{"run_id": "{name}", "owner": "folder of {owner}", "who": "process of {name}", '
        f'"since": "1970-01-01 00:00:{since} UTC", "fencing": {fencing}, "beat": {beat}, "functions": "{functions}"}}'
    )


def registry(fencing: int, *leases: str) -> str:
    return f'{{"schema": 1, "fencing": {fencing}, "leases": [{", ".join(leases)}]}}'


def test_leases_taken_beaten_ended_and_taken_over() -> None:
    async def main() -> None:
        records = Remembering()
        one = await Machine(records, "one").take("f", "g")
        two = await Machine(records, "two").take("h")
        with anyio.move_on_after(6):
            await one.keep()
        await two.end()
        await Machine(records, "three").take("f")  # one is dead
        await Machine(records, "four", owner="folder of three").take("h")
        first = lease("one", "one", "00", 1, 0, "Vd57mIv-wPWLCN5Z")
        second = lease("two", "two", "00", 2, 0, "2i6g63CK")
        beaten = lease("one", "one", "00", 1, 1, "Vd57mIv-wPWLCN5Z")
        assert records.bodies == [
            registry(1, first),
            registry(2, first, second),
            registry(2, beaten, second),
            registry(2, beaten),
            registry(3, lease("three", "three", "06", 3, 0, "Vd57mIv-")),
            registry(4, lease("four", "three", "36", 4, 0, "2i6g63CK")),
        ]

    run(main)


def record(done_until: str, running: str = "null") -> str:
    return f'{{"done_until": "2027-01-01T{done_until}:00:00Z", "running": {running}, "schema": 1}}'


def claim(name: str, beat: int) -> str:
    return f'{{"beat": {beat}, "due_at": "2027-01-01T13:00:00Z", "host": "host of {name}", "run_id": "{name}"}}'


def test_claims_made_beaten_taken_over_given_up_and_done() -> None:
    async def main() -> None:
        records = Remembering()
        await first(records)
        await anyio.sleep(3600)
        dead = await claimed(records, "a")
        with anyio.move_on_after(25):
            await dead.keep(list[str]().append)
        await (await claimed(records, "b")).end(done=False)
        await (await claimed(records, "c")).end(done=True)
        assert records.bodies == [
            record("12"),
            *(record("12", claim("a", beat)) for beat in range(3)),
            record("12", claim("b", 0)),
            record("12"),
            record("12", claim("c", 0)),
            record("13"),
        ]

    run(main)
