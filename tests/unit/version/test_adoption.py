from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model import Connectivity, Mount, Secret, Settings
from orchestrator.version.adoption import taken_away
from tests.builders import settings, version

SECRET = {"id": "e6q", "versionId": "e6r", "key": "k", "environmentVariable": "TOKEN"}
DISK = {"name": "tmp", "mode": "READ_WRITE", "ephemeralDiskSpec": {"size": "1"}}
OLD_MOUNT = {"mountPointName": "data", "bucketId": "b"}

# what is live, what is wanted, what goes
TABLE: list[tuple[dict[str, Any], Settings, tuple[str, ...]]] = [
    ({}, settings(environment={"NEW": "1"}), ()),
    ({"environment": {"B": "hid", "A": "hid", "C": "x"}}, settings(environment={"C": "y"}), ("environment A, B",)),
    ({"environment": {"TOKEN": "hidden"}}, settings(secrets=(Secret("TOKEN", "k", "e6q", None, "e6r"),)), ()),
    ({"secrets": [SECRET]}, settings(), ("secrets TOKEN",)),
    ({"secrets": [SECRET]}, settings(environment={"TOKEN": "plain"}), ()),
    ({"secrets": [SECRET]}, settings(secrets=(Secret("TOKEN", "other", "e6x", None, "e6y"),)), ()),
    ({"serviceAccountId": "aje1"}, settings(), ("service account aje1",)),
    ({"serviceAccountId": "aje1"}, settings(service_account_id="aje2"), ()),
    ({"namedServiceAccounts": {"db": "aje1"}}, settings(), ("named accounts db",)),
    ({"namedServiceAccounts": {"db": "aje1"}}, settings(named_service_accounts={"db": "aje2"}), ()),
    ({"mounts": [DISK]}, settings(), ("mounts tmp",)),
    ({"mounts": [DISK]}, settings(mounts=(Mount("tmp", bucket="b"),)), ()),
    ({"storageMounts": [OLD_MOUNT]}, settings(), ("mounts data",)),
    ({"storageMounts": [OLD_MOUNT]}, settings(mounts=(Mount("data", bucket="b"),)), ()),
    ({"connectivity": {"networkId": "enp1"}}, settings(), ("network enp1",)),
    ({"connectivity": {"networkId": "enp1"}}, settings(connectivity=Connectivity("enp2")), ()),
    ({"connectivity": {"subnetId": ["e9b2", "e9b1"]}}, settings(), ("subnets e9b1, e9b2",)),
    ({"gpu": {"count": "1"}}, settings(), ("settings that this program does not know: gpu",)),
    ({"environment": {"A": "x"}, "serviceAccountId": "aje1"}, settings(), ("environment A", "service account aje1")),
]  # fmt: skip


@pytest.mark.parametrize(("live", "wanted", "goes"), TABLE)
def test_what_would_be_taken_away(live: dict[str, Any], wanted: Settings, goes: tuple[str, ...]) -> None:
    assert taken_away(wanted, version("v1", "f", **live)) == goes
