"""A declared key has an effect or is an error: every key changes the manifest's value, and other code reads every
field.
"""

from __future__ import annotations

import ast
from dataclasses import is_dataclass, replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from orchestrator.manifest.check import keys_of
from orchestrator.manifest.file_tables import CloudTable, LimitsTable, ManifestFile, StorageTable
from orchestrator.manifest.notify.notify_tables import NotifyTable
from orchestrator.manifest.rollout.rollout_tables import GateTable, HttpTable, RolloutTable, VerifyTable
from orchestrator.manifest.tables import FunctionTable
from orchestrator.model import Manifest, Place, declared, notify, rollout
from tests.unit.manifest.test_tables import HEAD, JOB, loaded

ROOT = Path(__file__).parents[3]
# Rows of the tables of a Version's and of a Function's fields, which are read by their names.
ROWS_OF_FIELDS = {"Field", "Part", "FunctionField"}

JUDGED_THERE = {"Verify.safe"}  # read with the manifest: `rollout_rules.unsafe_kind`


def reads(path: Path) -> set[str]:
    """Return the attributes that a module reads, including those that the table of fields reads by name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ROWS_OF_FIELDS:
            named = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "exact")]
            found |= {str(arg.value) for arg in named if isinstance(arg, ast.Constant)}
    return found


def test_every_field_of_the_manifests_values_is_read_outside_its_room() -> None:
    modules = [*(ROOT / "orchestrator").rglob("*.py"), *(ROOT / "jobs").glob("*.py")]
    own = [ROOT / "orchestrator" / "model" / name for name in ("declared.py", "rollout.py", "notify.py")]
    elsewhere = [path for path in modules if "manifest" not in path.parts and path not in own]
    read = set[str]().union(*map(reads, elsewhere))
    values = {module.__name__ for module in (declared, rollout, notify)}
    unread = [
        f"{name}.{field}"
        for name, kind in (vars(declared) | vars(rollout) | vars(notify)).items()
        if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ in values
        for field in kind.__dataclass_fields__
        if field not in read
    ]
    unread = [name for name in unread if name not in JUDGED_THERE]
    assert unread == [], "declared, and nobody asks: give it an effect"


# One line for each key, in a function that has neither this key nor anything related to it.
OF_A_FUNCTION = {
    "use": 'use = ["t"]',
    "without": 'without = ["labels.inherited"]',
    "ignore": 'ignore = ["memory"]',
    "settings": 'settings = "live"',
    "name": 'name = "other"',
    "id": 'id = "d4e"',
    "folder_id": 'folder_id = "b1h"',
    "source": 'source = "lib"',
    "package": 'package = { bucket = "bbb", object = "o" }',
    "version_id": 'version_id = "$latest"',
    "into": 'into = "app/"',
    "build": 'build = { command = "make" }',
    "include": 'include = ["*.py"]',
    "exclude": 'exclude = ["*.md"]',
    "files": 'files = { lib = "lib" }',
    "entrypoint": 'entrypoint = "other.handler"',
    "runtime": 'runtime = "nodejs20"',
    "memory": 'memory = "2GB"',
    "timeout": 'timeout = "5s"',
    "create": "create = true",
    "enabled": "enabled = false",
    "description": 'description = "x"',
    "service_account_id": 'service_account_id = "aje"',
    "service_account": 'service_account = "robot"',
    "named_service_accounts": 'named_service_accounts = { db = "aje" }',
    "environment": 'environment = { A = "x" }',
    "secrets": 'secrets = [{ environment_variable = "A", id = "e", key = "k" }]',
    "tags": 'tags = ["stable"]',
    "verify": "verify = { payload = {} }",
    "promote": 'promote = ["stable"]',
    "called_by": 'called_by = "stable"',
    "labels": 'labels = { team = "a" }',
    "labels_exact": "labels_exact = true",
    "function_description": 'function_description = "x"',
    "scaling": 'scaling = { "$latest" = { zone_instances = 1 } }',
    "scaling_exact": "scaling_exact = true",
    "public": "public = true",
    "connectivity": 'connectivity = { network_id = "enp" }',
    "log": "log = { disabled = true }",
    "mounts": 'mounts = [{ name = "d", bucket = "bbb" }]',
    "storage_mounts": 'storage_mounts = [{ name = "d", bucket = "bbb" }]',
    "async_invocation": "async_invocation = { retries = 1 }",
    "tmpfs_size": 'tmpfs_size = "512MB"',
    "concurrency": "concurrency = 4",
    "metadata": "metadata = { gce_http_endpoint = true }",
}
NOTIFY = '[notify.ops]\non = ["done"]\nurl = "https://x.example"\n'
OF_OTHER_TABLES: dict[type[BaseModel], dict[str, str]] = {
    CloudTable: {
        "folder_id": '[cloud]\nfolder_id = "b1g"',
        "cloud_id": '[cloud]\ncloud_id = "b1c"',
        "endpoint": '[cloud]\nendpoint = "https://other.example"',
        "invoke_endpoint": '[cloud]\ninvoke_endpoint = "https://other.example"',
    },
    StorageTable: {"bucket": '[storage]\nbucket = "bbb"', "prefix": '[storage]\nprefix = "p/"'},
    LimitsTable: {
        **{key: f"[limits]\n{key} = 7" for key in keys_of(LimitsTable) if key != "operation_deadline"},
        "operation_deadline": '[limits]\noperation_deadline = "1m"',
    },
    RolloutTable: {
        "waves": "[rollout]\nwaves = [1]",
        "pause": '[rollout]\npause = "1s"',
        "max_failures": "[rollout]\nmax_failures = 1",
        "canary": '[rollout]\ncanary = ["ping"]',
        "on_breach": '[rollout]\non_breach = "pause"',
        "on_inconclusive": '[rollout]\non_inconclusive = "fail"',
        "two_phase": "[rollout]\ntwo_phase = true",
        "gate": '[rollout]\ngate = { command = ["true"] }',
        "pin": "[rollout]\npin = true",
        "verify_at_once": "[rollout]\nverify_at_once = 9",
        "prune_after": "[rollout]\nprune_after = true",
    },
    GateTable: {
        "command": '[rollout]\ngate = { command = ["true"] }',
        "timeout": '[rollout]\ngate = { command = ["true"], timeout = "1s" }',
    },
    NotifyTable: {
        "on": f"{NOTIFY}",
        "url": f"{NOTIFY}",
        "command": '[notify.ops]\non = ["done"]\ncommand = ["true"]',
        "format": f'{NOTIFY}format = "slack"',
        "chat_id": f'{NOTIFY}format = "telegram"\nchat_id = "1"',
        "secret": f'{NOTIFY}secret = "k"',
        "only": f'{NOTIFY}only = ["prod"]\n[environments.prod]',
        "link": f'{NOTIFY}link = "https://ci/{{run}}"',
        "timeout": f'{NOTIFY}timeout = "1s"',
    },
}
# For each key of `verify`, and of its `http`: the line without it, and the line with it.
PAYLOAD, POST = "payload = {}", 'method = "POST"'
OF_A_VERIFY = {
    "payload": (PAYLOAD, "payload = { a = 1 }"),
    "expect": (PAYLOAD, f"{PAYLOAD}, expect = {{ ok = true }}"),
    "http": (PAYLOAD, "http = {}"),
    "command": (PAYLOAD, 'command = ["true"]'),
    "attempts": (PAYLOAD, f"{PAYLOAD}, attempts = 9"),
    "timeout": (PAYLOAD, f'{PAYLOAD}, timeout = "1s"'),
    "safe": (PAYLOAD, f"{PAYLOAD}, safe = true"),
}
OF_AN_HTTP = {
    "method": ("", POST),
    "headers": ("", 'headers = { Accept = "x" }'),
    "query": ("", 'query = { a = "x" }'),
    "body": (POST, f'{POST}, body = "x"'),
    "expect_status": ("", "expect_status = 204"),
    "expect_body": ("", 'expect_body = "x"'),
}


def test_the_table_of_keys_is_whole() -> None:
    assert OF_A_FUNCTION.keys() | {"only"} == set(keys_of(FunctionTable))  # see test_environments
    for table, lines in OF_OTHER_TABLES.items():
        assert lines.keys() == {*keys_of(table)}
    assert OF_A_VERIFY.keys() == {*keys_of(VerifyTable)}
    assert OF_AN_HTTP.keys() == {*keys_of(HttpTable)}
    others = {"include", "defaults", "templates", "functions", "jobs", "variables", "environments", "each"}  # of tables
    assert {*keys_of(ManifestFile)} == others | {"cloud", "storage", "limits", "rollout", "folder_id", "notify"}


@pytest.mark.parametrize("key", OF_A_FUNCTION)
def test_every_key_of_a_function_changes_what_is_desired(tmp_path: Path, key: str) -> None:
    (tmp_path / "lib").mkdir()
    code = 'source = "."\n'
    head = f'{HEAD}labels = {{ inherited = "x" }}\n[templates.t]\ndescription = "t"\n[functions.fun]\n'
    line = OF_A_FUNCTION[key]
    alone = line if key in ("source", "package", "version_id") else f"{code}{line}"
    head_alone = head.replace(f"\n{key} = ", "\n# ") if key in ("entrypoint", "runtime", "memory") else head
    with_it = loaded(tmp_path, f"{head_alone}{alone}\n").functions["fun"]
    without = loaded(tmp_path, f"{head}{code}").functions["fun"]
    place = Place("", 0)
    assert replace(with_it, place=place) != replace(without, place=place)


@pytest.mark.parametrize("line", [line for lines in OF_OTHER_TABLES.values() for line in lines.values()])
def test_every_key_of_the_other_tables_changes_the_manifest(tmp_path: Path, line: str) -> None:
    with_it, without = (_without_places(loaded(tmp_path, text)) for text in (f"{line}\n{JOB}", JOB))
    assert with_it != without


def _without_places(manifest: Manifest) -> Manifest:
    return replace(manifest, jobs={})


@pytest.mark.parametrize("key", [*OF_A_VERIFY, *(f"http.{key}" for key in OF_AN_HTTP)])
def test_every_key_of_a_verification_changes_it(tmp_path: Path, key: str) -> None:
    below, above = OF_A_VERIFY.get(key) or (f"http = {{ {row} }}" for row in OF_AN_HTTP[key.removeprefix("http.")])
    with_it, without = (
        loaded(tmp_path, f'{HEAD}[functions.fun]\nsource = "."\nverify = {{ {line} }}\n').functions["fun"].verify
        for line in (above, below)
    )
    assert with_it != without
