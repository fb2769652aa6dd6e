"""The credentials that are used for Object Storage."""

from __future__ import annotations

import pytest

from orchestrator.cloud.keys import StaticKeys, static_keys
from orchestrator.cloud.storage import S3ObjectStore
from orchestrator.errors import StartError

KEY_CASES = [
    ({}, None),
    ({"YC_STORAGE_ACCESS_KEY": "a", "YC_STORAGE_SECRET_KEY": "s\n", "AWS_ACCESS_KEY_ID": "x"}, StaticKeys("a", "s")),
    ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}, StaticKeys("a", "s")),
    (
        {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "YC_STORAGE_ACCESS_KEY": ""},
        StaticKeys("a", "s", "t"),
    ),
]


@pytest.mark.parametrize(("environ", "keys"), KEY_CASES)
def test_static_keys_are_read_from_the_environment(environ: dict[str, str], keys: StaticKeys | None) -> None:
    assert static_keys(environ) == keys


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ("YC_STORAGE_ACCESS_KEY", "YC_STORAGE_SECRET_KEY"),
        ("YC_STORAGE_SECRET_KEY", "YC_STORAGE_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_half_a_pair_of_static_keys_names_the_other_half(there: str, missing: str) -> None:
    with pytest.raises(StartError, match=f"{there} is set, but {missing} is not"):
        static_keys({there: "x"})


def test_secrets_are_not_in_the_repr_of_keys() -> None:
    assert "hush" not in repr(StaticKeys("a", "hush", "hush"))


def test_without_any_credentials_there_is_no_store() -> None:
    with pytest.raises(StartError, match="no credentials for Object Storage"):
        S3ObjectStore("https://storage.invalid", credentials=None)
