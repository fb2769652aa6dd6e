"""The options of `orchestrator sandbox`, as the real adapters see them over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.cloud.connect import Connection, connect
from orchestrator.errors import CloudError, Code, Exit
from orchestrator.function.fields import function_request
from orchestrator.model import CloudAddress
from orchestrator.resilience.policy import is_rate
from orchestrator.sandbox.http.server import Options, open_sandbox
from orchestrator.sandbox.memory.faults import Distribution
from orchestrator.sandbox.memory.quotas import PER_FOLDER
from orchestrator.version.body import version_request
from tests.clouds import FOLDER, body
from tests.e2e.harness import forked, run

Program = Callable[[Connection], Awaitable[None]]


def on_sandbox(root: Path, program: Program, *options: str) -> None:
    """Run a program against a sandbox whose Operations do not end, unless the options say otherwise."""

    async def main(url: str) -> None:
        environ = {"YC_SERVICE_ACCOUNT_KEY_FILE": str(root / "sandbox" / "key.json")}
        async with connect(CloudAddress(url), environ, version="0") as connection:
            await program(connection)

    command = ("sandbox", "--port", "0", "--state", str(root), "--durations", "fixed:600", "--until-stdin-closes")
    with forked(root, *command, *options, watched=True) as process:
        anyio.run(main, process.stdout.readline().split()[-1])


async def refusal(connection: Connection, name: str) -> CloudError | None:
    """Begin to create a Function. Returns the refusal, None if it was accepted."""
    try:
        await connection.functions.send(function_request(FOLDER, name, {}), idempotency_key=name)
    except CloudError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--quota", "operations_per_folder=1"], PER_FOLDER),
        (["--quota", "operations_per_folder=1", "--no-quota-details"], ""),
        (["--quota-at", "0s:operations_per_folder=1"], PER_FOLDER),
    ],
)
def test_a_quota_is_enforced(tmp_path: Path, options: list[str], named: str) -> None:
    async def program(connection: Connection) -> None:
        assert await refusal(connection, "first") is None
        refused = await refusal(connection, "second")
        assert refused is not None
        assert (refused.code, refused.http_status, refused.quota) == (Code.RESOURCE_EXHAUSTED, 429, named)
        assert not is_rate(refused)

    on_sandbox(tmp_path, program, *options)


def test_quotas_are_reported_as_they_are_by_then(tmp_path: Path) -> None:
    async def program(connection: Connection) -> None:
        async def limit() -> float:
            return next(
                quota.limit for quota in await connection.directory.quotas("sandbox-cloud") if quota.id == PER_FOLDER
            )

        assert await limit() == 60
        assert await refusal(connection, "first") is None
        assert await limit() == 8

    on_sandbox(tmp_path, program, "--quota", "operations_per_folder=60", "--quota-at", "0s:operations_per_folder=8")


def test_quota_manager_may_be_mute(tmp_path: Path) -> None:
    async def program(connection: Connection) -> None:
        with pytest.raises(CloudError) as found:
            await connection.directory.quotas("sandbox-cloud")
        assert (found.value.code, found.value.http_status) == (Code.PERMISSION_DENIED, 403)

    on_sandbox(tmp_path, program, "--no-quota-manager")


def test_calls_beyond_a_rate_are_refused(tmp_path: Path) -> None:
    async def program(connection: Connection) -> None:
        refused: list[CloudError] = []

        async def one(number: int) -> None:
            error = await refusal(connection, f"name-{number}")
            if error is not None:
                refused.append(error)

        async with anyio.create_task_group() as group:
            for number in range(14):  # fewer than may be unfinished, more than the rate allows
                group.start_soon(one, number)
        assert refused
        assert all(is_rate(error) and error.http_status == 429 for error in refused)

    on_sandbox(tmp_path, program, "--quota", "requests_per_second=1")


def test_answers_say_when_to_ask_again(tmp_path: Path) -> None:
    async def program(connection: Connection) -> None:
        begun = await connection.functions.send(function_request(FOLDER, "first", {}), idempotency_key="key")
        assert begun.poll_after_s == 7
        assert (await connection.operations.get(begun.id)).poll_after_s == 7

    on_sandbox(tmp_path, program, "--poll-interval", "7")


@pytest.mark.parametrize(
    ("creating", "shown"), [("visible", 1), ("hidden", 0), ("0s", 1), ("10m", 0), ("100%", 1), ("0%", 0)]
)
def test_listings_show_what_is_being_made_or_do_not(tmp_path: Path, creating: str, shown: int) -> None:
    async def fill() -> str:
        options = Options(state_dir=tmp_path / "sandbox", durations=Distribution.parse("fixed:0"))
        async with open_sandbox(options) as served:
            made = served.cloud.functions.create({"folderId": FOLDER, "name": "first"})
            return str(made["metadata"]["functionId"])

    function_id = anyio.run(fill)

    async def program(connection: Connection) -> None:
        begun = await connection.functions.send(version_request(body(function_id)), idempotency_key="key")
        assert not begun.done
        for desired in ('status="CREATING"', ""):
            assert len(await connection.functions.list_versions(FOLDER, filter=desired)) == shown

    on_sandbox(tmp_path, program, "--creating", creating)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--quota", "operations=3", '"operations=3" is not a quota'),
        ("--quota-at", "20s:operations_per_folder", '"operations_per_folder" is not a quota'),
        ("--quota-at", "soon:operations_per_folder=8", "soon"),
        ("--creating", "perhaps", "perhaps"),
        ("--creating", "101%", "must be a share such as 80%"),
        ("--creating", "%", "%"),
        ("--durations", "9*fixed:1+soon", '"9*fixed:1+soon" is not a duration'),
    ],
)
def test_what_cannot_be_read_is_a_usage_error_that_names_the_option(
    tmp_path: Path, option: str, value: str, words: str
) -> None:
    done = run(tmp_path, "sandbox", option, value)
    assert done.code == Exit.USAGE
    assert words in done.err
    assert option in done.err
