"""An example of every key, as TOML: for editors, in the JSON Schema, and for docs/manifest-keys.md.

Keys of one table are examples of their own, and need not fit together. One key has one line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any

EXAMPLES: Mapping[str, str] = {
    "ManifestFile": """
include = ["teams/*/functions.toml"]
folder_id = "b1gxxxxxxxxxxxxxxxxx"
variables = { LEVEL = "info" }
environments = { dev = { default = true }, prod = { protected = true } }
cloud = { folder_id = "b1gxxxxxxxxxxxxxxxxx" }
storage = { bucket = "deploy-packages" }
limits = { reserve = 2 }
defaults = { runtime = "python312", memory = "256MB" }
templates = { ydb = { environment = { YDB_DATABASE = "/ru-central1/b1g/etn" } } }
each = { api = { folders = "functions/*", source = "{path}" } }
functions = { thumbnailer = { source = "thumbnailer", entrypoint = "index.handler" } }
rollout = { canary = ["thumbnailer"], waves = ["10%", "100%"] }
jobs = { nightly = { run = "mass_redeploy", schedule = "0 3 * * *" } }
notify = { ops = { on = ["failed"], url = "https://hooks.example/deploys" } }
""",
    "EnvironmentTable": """
variables = { LEVEL = "warn" }
cloud = { folder_id = "b1gxxxxxxxxxxxxxxxxx" }
storage = { bucket = "deploy-packages-prod" }
limits = { reserve = 4 }
rollout = { on_breach = "pause" }
defaults = { memory = "512MB" }
templates = { ydb = { environment = { YDB_DATABASE = "/ru-central1/b1g/etp" } } }
functions = { thumbnailer = { memory = "1GB" } }
protected = true
default = true
""",
    "CloudTable": """
folder_id = "b1gxxxxxxxxxxxxxxxxx"
cloud_id = "b1gyyyyyyyyyyyyyyyyy"
endpoint = "https://api.cloud.yandex.net"
invoke_endpoint = "https://functions.yandexcloud.net"
""",
    "StorageTable": """
bucket = "deploy-packages"
prefix = "functions/"
""",
    "LimitsTable": """
operations_per_function = 5
operations_per_folder = 30
operations_per_cloud = 40
reserve = 2
requests_per_second = 10
polls_per_second = 50
operation_deadline = "30m"
""",
    "RolloutTable": """
canary = ["thumbnailer", "label:tier=canary"]
waves = [1, "10%", "100%"]
pause = "5m"
max_failures = "2%"
on_breach = "rollback"
on_inconclusive = "fail"
two_phase = true
gate = { command = ["scripts/error-rate"], timeout = "2m" }
pin = true
prune_after = true
verify_at_once = 8
""",
    "GateTable": """
command = ["scripts/error-rate", "--below", "1%"]
timeout = "2m"
""",
    "FunctionTable": """
use = ["ydb"]
without = ["environment.LEVEL", "secrets.TOKEN"]
only = ["dev"]
ignore = ["memory", "environment.LEVEL"]
settings = "live"
name = "thumbnailer-v2"
id = "d4exxxxxxxxxxxxxxxxx"
folder_id = "b1gxxxxxxxxxxxxxxxxx"
source = "functions/thumbnailer"
package = { bucket = "builds", object = "thumbnailer.zip" }
version_id = "$latest"
into = "app/"
build = { command = "npm ci && npm run build" }
include = ["dist/**", "package.json"]
exclude = ["tests/", "*.md"]
files = { "lib/common" = "libs/common" }
entrypoint = "index.handler"
runtime = "python312"
memory = "256MB"
timeout = "1m30s"
create = true
enabled = false
description = "Resizes uploaded pictures."
service_account_id = "ajexxxxxxxxxxxxxxxxx"
service_account = "thumbnailer"
named_service_accounts = { db = "ajexxxxxxxxxxxxxxxxx" }
environment = { LEVEL = "info", REGION = "ru-central1" }
secrets = [{ environment_variable = "TOKEN", name = "api", key = "token" }]
tags = ["stable"]
verify = { payload = { ping = true }, expect = { ok = true }, safe = true }
promote = ["live"]
called_by = "live"
labels = { team = "media" }
labels_exact = true
function_description = "Thumbnails of uploads."
scaling = { "$latest" = { provisioned = 1, zone_instances = 10 } }
scaling_exact = true
public = true
connectivity = { network_id = "enpxxxxxxxxxxxxxxxxx" }
log = { min_level = "INFO" }
mounts = [{ name = "data", bucket = "pictures", mode = "read_only" }]
storage_mounts = [{ name = "data", bucket = "pictures", read_only = true }]
async_invocation = { retries = 3 }
tmpfs_size = "512MB"
concurrency = 4
metadata = { gce_http_endpoint = true }
""",
    "PackageTable": """
bucket = "builds"
object = "thumbnailer.zip"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
""",
    "BuildTable": """
command = "npm ci && npm run build"
folder = "."
inputs = ["src/**", "package-lock.json"]
""",
    "SecretTable": """
environment_variable = "TOKEN"
key = "token"
id = "e6qxxxxxxxxxxxxxxxxx"
name = "api"
version_id = "e6qyyyyyyyyyyyyyyyyy"
""",
    "VerifyTable": """
payload = { ping = true }
expect = { ok = true }
http = { method = "GET", expect_status = 200 }
command = ["scripts/smoke-test"]
attempts = 5
timeout = "10s"
safe = true
""",
    "HttpTable": """
method = "POST"
headers = { Accept = "application/json" }
query = { check = "deep" }
body = "ping"
expect_status = 204
expect_body = "pong"
""",
    "ScalingTable": """
provisioned = 1
zone_instances = 10
zone_requests = 100
""",
    "ConnectivityTable": """
network_id = "enpxxxxxxxxxxxxxxxxx"
subnet_ids = ["e9bxxxxxxxxxxxxxxxxx"]
""",
    "LogTable": """
disabled = true
group_id = "e23xxxxxxxxxxxxxxxxx"
folder_id = "b1gxxxxxxxxxxxxxxxxx"
min_level = "WARN"
""",
    "MountTable": """
name = "data"
mode = "read_only"
bucket = "pictures"
prefix = "thumbnails"
disk_size = "5GB"
block_size = "4KB"
""",
    "StorageMountTable": """
name = "data"
bucket = "pictures"
prefix = "thumbnails"
read_only = true
""",
    "AsyncInvocationTable": """
retries = 3
service_account_id = "ajexxxxxxxxxxxxxxxxx"
success = { queue_arn = "yrn:yc:ymq:ru-central1:b1g:done", service_account_id = "ajexxxxxxxxxxxxxxxxx" }
failure = { queue_arn = "yrn:yc:ymq:ru-central1:b1g:failed", service_account_id = "ajexxxxxxxxxxxxxxxxx" }
""",
    "AsyncTargetTable": """
queue_arn = "yrn:yc:ymq:ru-central1:b1g:done"
service_account_id = "ajexxxxxxxxxxxxxxxxx"
""",
    "MetadataTable": """
gce_http_endpoint = true
aws_v1_http_endpoint = false
""",
    "EachTable": """
folders = ["functions/*", "!functions/old"]
names = ["mail", "sms"]
rows = [{ name = "mail", memory = "1GB" }, { name = "sms" }]
""",
    "JobTable": """
run = "mass_redeploy"
select = ["label:team=media", "auth-*"]
force = true
schedule = "0 3 * * 1-5"
timezone = "Europe/Moscow"
adopt = ["thumbnailer@d4exxxxxxxxxxxxxxxxx"]
from = ["python37", "python38"]
to = "python312"
folders = ["b1gxxxxxxxxxxxxxxxxx"]
skip = [{ function = "legacy-*", reason = "is replaced in May", owner = "media", until = 2027-06-01 }]
rollout = { waves = [1, "100%"], on_breach = "stop" }
environments = ["prod"]
""",
    "SkipTable": """
function = "legacy-*"
reason = "is replaced in May"
owner = "media"
until = 2027-06-01
""",
    "NotifyTable": """
on = ["failed", "breach", "rolled_back"]
url = "https://hooks.example/deploys"
command = ["scripts/notify"]
format = "slack"
chat_id = "-1001234567890"
secret = "${HOOK_SECRET}"
only = ["prod"]
link = "https://ci.example/runs/{run}"
timeout = "5s"
""",
}


def with_examples(definitions: Mapping[str, Any]) -> None:
    """Add its example to every key of the tables of a JSON Schema. An [each.NAME] has those of a function, too."""
    for name, table in definitions.items():
        texts = [EXAMPLES[name], *([EXAMPLES["FunctionTable"]] if name == "EachTable" else [])]
        values = {key: value for text in texts for key, value in tomllib.loads(text).items()}
        for key, field in table["properties"].items():
            field["examples"] = [_as_json(values[key])]


def _as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, date) else value
