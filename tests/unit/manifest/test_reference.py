"""docs/manifest-keys.md: every key has an example that loads, a default that is the default, and a merge rule that is
the rule.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestrator.manifest.file_tables import ManifestFile
from orchestrator.manifest.lists import LISTS
from orchestrator.manifest.merge import merge
from orchestrator.manifest.tables import FunctionTable
from orchestrator.manifest.writing.examples import EXAMPLES
from orchestrator.model import Manifest
from tests.pages import manifest_keys as reference
from tests.pages.merge_rules import BY_KEY, NEAREST, merge_rule
from tests.unit.manifest.test_tables import loaded

GOLDEN = Path(__file__).parents[2] / "golden"
MODELS = {model.__name__: model for model in reference.models(ManifestFile, {})}
KEYS = [(name, key) for name, model in MODELS.items() for key in reference.own_fields(model)]
# A small manifest, and where a table is in it: KEYS are the keys of an inline table.
TOP = """
cloud = { folder_id = "b1g" }
defaults = { runtime = "nodejs22", memory = "1GB", entrypoint = "index.handler" }
"""
FUN = f'{TOP}functions.fun = {{ source = ".", KEYS }}\n'
# What the example of an environment differs from.
BELOW = """
cloud = { folder_id = "b1h" }
variables = { LEVEL = "info" }
templates = { ydb = { labels = { team = "media" } } }
defaults = { runtime = "nodejs22", entrypoint = "index.handler", memory = "1GB", environment = { L = "${LEVEL}" } }
functions = { thumbnailer = { source = ".", use = ["ydb"] } }
"""
PLACES = {
    "ManifestFile": TOP,
    "EnvironmentTable": f"{BELOW}environments.prod = {{ KEYS }}\n",
    "CloudTable": f'{TOP}functions.fun = {{ folder_id = "b1g", source = "." }}\n'.replace(
        'folder_id = "b1g"', "KEYS", 1
    ),
    "StorageTable": f'{TOP}functions.fun.source = "."\nstorage = {{ KEYS }}\n',
    "LimitsTable": f'{TOP}functions.fun.source = "."\nlimits = {{ KEYS }}\n',
    "RolloutTable": f'{TOP}functions.thumbnailer.source = "."\nrollout = {{ KEYS }}\n',
    "GateTable": f'{TOP}functions.fun.source = "."\nrollout.gate = {{ KEYS }}\n',
    "FunctionTable": f"{TOP}functions.fun = {{ KEYS }}\n",
    "PackageTable": f"{TOP}functions.fun.package = {{ KEYS }}\n",
    "BuildTable": FUN.replace("KEYS", "build = { KEYS }"),
    "SecretTable": FUN.replace("KEYS", "secrets = [{ KEYS }]"),
    "VerifyTable": FUN.replace("KEYS", "verify = { KEYS }"),
    "HttpTable": FUN.replace("KEYS", "verify = { http = { KEYS }, safe = true }"),
    "ScalingTable": FUN.replace("KEYS", 'scaling = { "$latest" = { KEYS } }'),
    "ConnectivityTable": FUN.replace("KEYS", "connectivity = { KEYS }"),
    "LogTable": FUN.replace("KEYS", "log = { KEYS }"),
    "MountTable": FUN.replace("KEYS", "mounts = [{ KEYS }]"),
    "StorageMountTable": FUN.replace("KEYS", "storage_mounts = [{ KEYS }]"),
    "AsyncInvocationTable": FUN.replace("KEYS", "async_invocation = { KEYS }"),
    "AsyncTargetTable": FUN.replace("KEYS", "async_invocation = { success = { KEYS } }"),
    "MetadataTable": FUN.replace("KEYS", "metadata = { KEYS }"),
    "EachTable": f"{TOP}each.api = {{ KEYS }}\n",
    "JobTable": f"{TOP}environments.prod = {{}}\njobs.nightly = {{ KEYS }}\n",
    "SkipTable": f'{TOP}jobs.up = {{ run = "runtime_upgrade", from = ["a"], to = "b", skip = [{{ KEYS }}] }}\n',
    "NotifyTable": f'{TOP}functions.fun.source = "."\nenvironments.prod = {{}}\nnotify.ops = {{ KEYS }}\n',
}
# What the examples of a table need: keys beside them, by table or by key, and keys at the top of the manifest.
BESIDE = {
    "ManifestFile": """
cloud = { folder_id = "b1h" }
defaults = { runtime = "nodejs22", memory = "1GB", entrypoint = "index.handler" }
functions = { fun = { source = "." } }
""",
    "ManifestFile.defaults": 'functions = { fun = { folder_id = "b1g", source = ".", entrypoint = "a.b" } }',
    "ManifestFile.folder_id": """
defaults = { runtime = "nodejs22", memory = "1GB", entrypoint = "index.handler" }
functions = { fun = { source = "." } }
""",
    "ManifestFile.variables": """
defaults = { runtime = "nodejs22", memory = "1GB", entrypoint = "index.handler", environment = { A = "${LEVEL}" } }
cloud = { folder_id = "b1h" }
functions = { fun = { source = "." } }
""",
    "ManifestFile.environments": 'jobs = { a = { run = "prune", folders = ["b1h"] } }',
    "RolloutTable.on_breach": "max_failures = 2",
    "GateTable": 'command = ["true"]',
    "FunctionTable": 'source = "."',
    "FunctionTable.without": 'source = "."\nuse = ["a"]',
    **{f"FunctionTable.{code}": "" for code in ("package", "version_id")},
    "PackageTable": 'bucket = "builds"\nobject = "o"',
    "BuildTable": 'command = "make"',
    "SecretTable": 'environment_variable = "A"\nkey = "k"\nid = "e6q"',
    "SecretTable.name": 'environment_variable = "A"\nkey = "k"',
    "VerifyTable": "payload = {}",
    **{f"VerifyTable.{kind}": "" for kind in ("payload", "http", "command")},
    "HttpTable.body": 'method = "POST"',
    "MountTable": 'name = "data"\nbucket = "pictures"',
    "MountTable.disk_size": 'name = "data"',
    "MountTable.block_size": 'name = "data"\ndisk_size = "1GB"',
    "StorageMountTable": 'name = "data"\nbucket = "pictures"',
    "AsyncTargetTable": 'queue_arn = "yrn"\nservice_account_id = "aje"',
    "EachTable": 'source = "."',
    "JobTable": 'run = "scheduled"\nschedule = "0 3 * * *"',
    "JobTable.run": "",
    **{f"JobTable.{key}": 'run = "mass_redeploy"' for key in ("select", "schedule")},
    **{
        f"JobTable.{key}": 'run = "runtime_upgrade"\nfrom = ["python37"]\nto = "python312"'
        for key in ("adopt", "from", "to", "folders", "skip")
    },
    "SkipTable": 'function = "legacy"\nreason = "r"\nowner = "o"\nuntil = 2027-06-01',
    "NotifyTable": 'on = ["done"]\nurl = "https://x.example"',
    "NotifyTable.command": 'on = ["done"]',
    "NotifyTable.chat_id": 'on = ["done"]\nurl = "https://x.example"\nformat = "telegram"',
}
ABOVE = {
    "FunctionTable.use": "templates = { ydb = {} }\n",
    "FunctionTable.without": """
templates.a = { environment = { LEVEL = "a" }, secrets = [{ environment_variable = "TOKEN", id = "e", key = "k" }] }
""",
    "FunctionTable.only": "environments = { dev = {} }\n",
}


def manifest_text(table: str, key: str, line: str) -> str:
    """Return a manifest with a line of a table, and with what it needs."""
    beside = BESIDE.get(f"{table}.{key}", BESIDE.get(table, "")).strip().splitlines()
    lines = [*(one for one in beside if not one.startswith(f"{key} = ")), *filter(None, [line])]
    if table == "ManifestFile":
        return "\n".join([*lines, ""])
    return ABOVE.get(f"{table}.{key}", "") + PLACES[table].replace("KEYS", ", ".join(filter(None, lines)))


def load_in(folder: Path, text: str) -> Manifest:
    for name in ("functions/thumbnailer", "functions/old", "libs/common", "teams/web", "mail", "sms", "thumbnailer"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "teams" / "web" / "functions.toml").touch()
    scripts = folder / "scripts"
    scripts.mkdir(exist_ok=True)
    for name in ("error-rate", "smoke-test", "notify"):
        (scripts / name).write_text("#!/bin/sh\n")
        (scripts / name).chmod(0o755)
    return loaded(folder, text, {"HOOK_SECRET": "s"})


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_the_example_of_a_key_loads(tmp_path: Path, table: str, key: str) -> None:
    load_in(tmp_path, manifest_text(table, key, reference.example_line(table, key)))


def test_every_key_has_one_example() -> None:
    assert [(table, key) for table, text in EXAMPLES.items() for key in tomllib.loads(text)] == KEYS


# Keys that are not set in the manifest's value, and get their default where they are used.
USED_LATER = {"LimitsTable.requests_per_second", "SecretTable.version_id", "CloudTable.invoke_endpoint"}
DEFAULTS = [
    (table, key, found[0])
    for table, key in KEYS
    if f"{table}.{key}" not in USED_LATER
    and (field := reference.own_fields(MODELS[table])[key]).description
    and (found := re.match(r'"[^"]*"|\d+|true|false|https://\S+', reference.default_of(field.description)))
]


@pytest.mark.parametrize(("table", "key", "default"), DEFAULTS)
def test_a_default_is_the_value_of_a_key_that_is_not_set(tmp_path: Path, table: str, key: str, default: str) -> None:
    value = f'"{default}"' if default.startswith("https:") else default
    stated, unset = (load_in(tmp_path, manifest_text(table, key, line)) for line in (f"{key} = {value}", ""))
    assert stated == unset


def test_most_defaults_are_checked() -> None:
    assert len(DEFAULTS) > 20


@pytest.mark.parametrize("key", reference.own_fields(FunctionTable))
def test_a_merge_rule_is_what_merging_does(key: str) -> None:
    rule = merge_rule(FunctionTable, key)
    far, near = "far", "near"
    if rule.startswith(NEAREST):
        assert merge([{key: far}, {key: near}])[key] == near
    elif rule in {BY_KEY, "By tag."}:
        both: list[dict[str, Any]] = [{key: {"a": far, "b": far}}, {key: {"b": near}}]
        assert merge(both)[key] == {"a": far, "b": near}
    elif rule.startswith(BY_KEY):
        assert key == "package"
    else:
        listed = LISTS[f"functions.{key}"]
        assert rule == listed.said
        if not listed.by and key != "without":
            assert merge([{key: ["far"]}, {key: ["near"]}])[key] == ["far", "near"][not listed.adds :]


@pytest.mark.parametrize(("table", "place"), [("FunctionTable", ""), ("LogTable", "log"), ("VerifyTable", "verify")])
def test_a_rule_names_the_keys_that_a_nearer_one_drops(table: str, place: str) -> None:
    keys = [*reference.own_fields(MODELS[table])]
    for key in keys:
        if place:
            merged = merge([{place: {other: "far" for other in keys if other != key}}, {place: {key: "near"}}])[place]
        else:
            merged = merge([{other: ["far"] for other in keys if other not in (key, "without")}, {key: ["near"]}])
        dropped = {*keys} - {*merged} - {"without"}
        assert {*re.findall(r"`(\w+)`", merge_rule(MODELS[table], key).partition("An inherited")[2])} == dropped, key


def test_a_key_of_this_version_is_dated() -> None:
    """`manifest-keys.txt` has the keys of the first version: a newer one needs its version in `SINCE`."""
    first = (GOLDEN / "manifest-keys.txt").read_text("utf-8").split()
    assert {*first} | {*reference.SINCE} == {*reference.paths()}
    assert not {*first} & {*reference.SINCE}
