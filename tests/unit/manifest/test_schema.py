"""The JSON Schema for editors, checked against manifests by a small interpreter of the keywords that it uses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestrator.job.binding import manifest_schema
from orchestrator.manifest.load import load
from orchestrator.manifest.schema import included_schema
from tests.unit.manifest.test_tables import FUNCTION

# every existing key
EXAMPLE = """
include = ["teams/*/functions.toml"]
[cloud]
folder_id = "b1gxxx"
cloud_id = "b1gxxx"
endpoint = "https://api.cloud.yandex.net"
invoke_endpoint = "https://functions.yandexcloud.net"
[storage]
bucket = "deploy-packages"
prefix = "functions/"
[limits]
operations_per_function = 10
operations_per_folder = 15
operations_per_cloud = 20
reserve = 0
requests_per_second = 20
polls_per_second = 100
operation_deadline = "15m"
[defaults]
runtime = "nodejs22"
memory = "1GB"
timeout = "10s"
[templates.ydb]
environment = { YDB_ENDPOINT = "grpcs://xxx", YDB_DATABASE = "${YDB_DATABASE}" }
[functions.thumbnailer]
use = ["ydb"]
source = "examples/thumbnailer"
build = { command = "npm ci && npm run build", folder = "." }
include = ["dist/**", "package.json"]
exclude = ["tests/", "*.md"]
files = { "common" = "libs/common" }
entrypoint = "index.handler"
create = true
enabled = false
description = "xxx"
service_account_id = "ajexxx"
named_service_accounts = { db = "ajexxx" }
environment = { LEVEL = "info" }
secrets = [{ environment_variable = "TOKEN", id = "e6qxxx", version_id = "e6qxxx", key = "token" }]
tags = ["stable"]
labels = { team = "media" }
connectivity = { network_id = "enpxxx", subnet_ids = ["e9bxxx"] }
log = { disabled = false, group_id = "xxx", min_level = "INFO" }
mounts = [
  { name = "data", mode = "read_only", bucket = "data-bucket", prefix = "p" },
  { name = "tmp", disk_size = "1GB" },
]
tmpfs_size = "512MB"
concurrency = 4
metadata = { gce_http_endpoint = true, aws_v1_http_endpoint = false }
promote = ["live"]
called_by = "live"
verify = { payload = { a = [1, true] }, expect = "ok", attempts = 3, timeout = "30s", safe = true }
[functions.thumbnailer.async_invocation]
retries = 3
service_account_id = "ajexxx"
success = { queue_arn = "xxx", service_account_id = "xxx" }
failure = {}
[rollout]
canary = ["thumbnailer", "label:tier=canary"]
waves = [1, "10%", "100%"]
pause = "approval"
max_failures = "2%"
on_breach = "rollback"
on_inconclusive = "fail"
two_phase = true
gate = { command = ["true"], timeout = "5m" }
pin = true
verify_at_once = 4
[jobs.nightly]
run = "mass_redeploy"
select = ["label:team=media", "auth-*"]
force = true
schedule = "0 3 * * 1-5"
timezone = "Europe/Moscow"
rollout = { waves = [1, "10%", "100%"], max_failures = "2%", on_breach = "stop" }
[jobs.to-python312]
run = "runtime_upgrade"
from = ["python37", "python38", "python39"]
to = "python312"
folders = ["b1gxxx", "b1hxxx"]
skip = [{ function = "legacy-report", reason = "xxx", owner = "xxx", until = 2027-03-01 }]
"""

SCHEMA = manifest_schema()
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,),
    "integer": (int,), "number": (int, float), "boolean": (bool,),
}  # fmt: skip
KNOWN = {
    "$defs", "$ref", "$schema", "title", "description", "type", "properties", "required", "additionalProperties",
    "patternProperties", "items", "anyOf", "enum", "pattern", "maxLength", "minItems", "maxProperties",
    "minimum", "maximum", "exclusiveMinimum", "format", "allOf", "if", "then", "const", "examples",
}  # fmt: skip


def accepts(schema: Any, value: Any) -> bool:
    if isinstance(schema, bool):
        return schema
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    if "$ref" in schema:
        return accepts(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], value)
    return accepts_branches(schema, value) and accepts_value(schema, value)


def accepts_branches(schema: dict[str, Any], value: Any) -> bool:
    applies = "if" in schema and accepts(schema["if"], value)
    return (
        ("const" not in schema or bool(value == schema["const"]))
        and all(accepts(branch, value) for branch in schema.get("allOf", ()))
        and (not applies or accepts(schema["then"], value))
        and any(accepts(branch, value) for branch in schema.get("anyOf", (True,)))
    )


def accepts_value(schema: dict[str, Any], value: Any) -> bool:
    if schema.get("format") == "date":
        return True  # a TOML date
    if "type" in schema and not has_type(schema["type"], value):
        return False
    if isinstance(value, dict):
        return accepts_table(schema, value)
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(
            accepts(schema.get("items", True), item) for item in value
        )
    if isinstance(value, str):
        return accepts_text(schema, value)
    return isinstance(value, bool) or schema.get("minimum", value) <= value <= schema.get("maximum", value)


def has_type(name: str, value: Any) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def accepts_text(schema: dict[str, Any], value: str) -> bool:
    right_length = len(value) <= schema.get("maxLength", len(value))
    right_word = value in schema.get("enum", [value])
    return right_length and right_word and re.search(schema.get("pattern", ""), value) is not None


def accepts_table(schema: dict[str, Any], value: dict[str, Any]) -> bool:
    complete = set(schema.get("required", ())) <= value.keys()
    return complete and all(accepts(schema_of(schema, name), item) for name, item in value.items())


def schema_of(table: dict[str, Any], name: str) -> Any:
    if name in table.get("properties", {}):
        return table["properties"][name]
    patterns = table.get("patternProperties", {})
    matching = [schema for pattern, schema in patterns.items() if re.search(pattern, name)]
    return matching[0] if matching else table.get("additionalProperties", True)


def descriptions_lacking(node: Any, path: str = "") -> list[str]:
    if isinstance(node, list):
        return [lack for item in node for lack in descriptions_lacking(item, path)]
    if not isinstance(node, dict):
        return []
    # True: a key of a built-in job that is described elsewhere; `const`: which job it is
    fields = {name: field for name, field in node.get("properties", {}).items() if field is not True}
    lacking = [f"{path}.{name}" for name, field in fields.items() if not field.keys() & {"description", "const"}]
    return lacking + [lack for name, item in node.items() for lack in descriptions_lacking(item, f"{path}.{name}")]


def test_it_says_which_draft_it_is() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_example_is_accepted() -> None:
    assert accepts(SCHEMA, tomllib.loads(EXAMPLE))


def test_the_example_loads(tmp_path: Path) -> None:
    for folder in ("examples/thumbnailer", "libs/common", "teams/web"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "teams" / "web" / "functions.toml").touch()
    (tmp_path / "deploy.toml").write_text(EXAMPLE)
    manifest = load(tmp_path / "deploy.toml", {"YDB_DATABASE": "/ru-central1/x"})
    assert (list(manifest.functions), list(manifest.jobs)) == (["thumbnailer"], ["nightly", "to-python312"])


def test_every_key_is_described() -> None:
    assert descriptions_lacking(SCHEMA) == []


def test_an_unset_value_is_never_null() -> None:
    assert "null" not in str(SCHEMA)


@pytest.mark.parametrize(
    "line",
    [
        'memory = "128MB"', "memory = 134217728", 'memory = "${MEMORY}"', 'timeout = "1m30s"', "timeout = 1.5",
        'tags = ["${TAG}"]', 'log = { min_level = "${LEVEL}" }', 'runtime = "${RUNTIME}"', 'id = "d4e"',
    ],
)  # fmt: skip
def test_sizes_durations_and_variables_are_accepted(line: str) -> None:
    assert accepts(SCHEMA, tomllib.loads(FUNCTION + line))


@pytest.mark.parametrize(
    "line",
    [
        'memory = "lots"', 'memory = ""', 'timeout = ""', 'timeout = "10"', 'tags = ["Tag"]', "concurrency = 17",
        'memry = "128MB"', 'log = { min_level = "info" }', 'environment = { "1A" = "x" }', "enabled = 1",
        'secrets = [{ key = "x" }]',
    ],
)  # fmt: skip
def test_wrong_values_and_unknown_keys_are_refused(line: str) -> None:
    assert not accepts(SCHEMA, tomllib.loads(FUNCTION + line))


JOBS = {
    'run = "mass_redeploy"\nfunctions = ["a"]\nenvironment = { A = "x" }\nfrom_source = false': True,
    'run = "mass_redeploy"\nfunctions = "a"': True,
    'run = "mass_redeploy"\nselct = ["a"]': False,
    'run = "mass_redeploy"\nto = "python312"': False,
    'run = "mass_redeploy"\nenvironment = { A = 1 }': False,
    'run = "mass_redeploy"\nsecrets = [{ id = "e6q", version_id = "latest" }]': True,
    'run = "mass_redeploy"\nsecrets = [{ ident = "e6q" }]': False,
    'run = "scheduled"\nschedule = "0 3 * * *"\nforce = false': True,
    'run = "runtime_upgrade"\nfrom = ["python37"]\nto = "python312"\nrollout = { waves = [1] }': True,
    'run = "runtime_upgrade"\nfrom = ["python37"]': False,
    'run = "mine"\nanything = [1]\nselct = 3': True,
}


@pytest.mark.parametrize("table", JOBS)
def test_it_knows_what_the_built_in_jobs_take_and_lets_others_be(table: str) -> None:
    assert accepts(SCHEMA, tomllib.loads(f"[jobs.x]\n{table}\n")) == JOBS[table]


NEWER = """
folder_id = "b1g"
[variables]
LEVEL = "info"
[each.api]
folders = ["functions/*", "!functions/old"]
name = "api-{folder}"
source = "{path}"
tags = ["{folder}"]
[each.rows]
rows = [{ name = "a", memory = "1GB" }]
[functions.thumbnailer]
only = ["prod"]
into = "app/"
"""


def test_included_files_have_a_schema_of_their_own() -> None:
    of_file = included_schema(SCHEMA)
    assert accepts(of_file, tomllib.loads(NEWER))
    assert accepts(of_file, tomllib.loads('include = ["more/*.toml"]\n[jobs.x]\nrun = "scheduled"\n'))
    for table in ("[limits]", "[environments.prod]", "[cloud]"):
        assert accepts(SCHEMA, tomllib.loads(f"{NEWER}{table}\n"))
        assert not accepts(of_file, tomllib.loads(f"{NEWER}{table}\n"))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('[environments.prod]\nprotected = true\ncloud = { folder_id = "b1g" }\nfunctions.x.memory = "1GB"\n', True),
        ("[environments.Prod]\n", False),
        ("[environments.prod]\nprotectd = true\n", False),
        ('[environments.prod]\nfunctions.x.memory = "lots"\n', False),
        ('[variables]\n"A-B" = "x"\n', False),
        ("[each.x]\nnames = 3\n", False),
        ("[each.x]\nmemry = 3\n", False),
    ],
)
def test_environments_variables_and_each_are_in_the_schema(text: str, good: bool) -> None:
    assert accepts(SCHEMA, tomllib.loads(text)) is good
