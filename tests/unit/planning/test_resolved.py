"""Resolved settings: what is shown of a function is what is sent, without secrets."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.manifest.load import load, survey
from orchestrator.manifest.writing.toml_text import literal, toml_value
from orchestrator.model import FunctionSpec, Place, SourceCode
from orchestrator.planning.resolved import ResolvedFunction, resolved_function
from orchestrator.redaction.outlet import Outlet
from orchestrator.redaction.redactor import Redactor
from orchestrator.report.explained.function_views import ResolvedView
from orchestrator.report.formats import FORMATS
from orchestrator.version.body import body

HEAD = '[cloud]\nfolder_id = "b1g"\n'
# Two lines for each key, valid in any table.
LINES = {
    "runtime": ('runtime = "nodejs22"', 'runtime = "nodejs18"'),
    "entrypoint": ('entrypoint = "index.handler"', 'entrypoint = "a.b"'),
    "memory": ("memory = 1073741824", 'memory = "2GB"'),
    "timeout": ('timeout = "1m30.5s"', "timeout = 7"),
    "tmpfs_size": ('tmpfs_size = "600MB"', "tmpfs_size = 0"),
    "concurrency": ("concurrency = 3", "concurrency = 1"),
    "description": ('description = "a \\"b\\"\\n\\\\ $${X} ü\\u007f"', 'description = "${WHO}"'),
    "environment": ('environment = { A = "1", B = "${WHO} $${X}" }', 'environment = { A = "2", C = "\\t\\u001b" }'),
    "secrets": (
        'secrets = [{ environment_variable = "S", id = "e6q", key = "k", version_id = "v1" }]',
        'secrets = [{ environment_variable = "T", name = "n", key = "k" }]',
    ),
    "tags": ('tags = ["a", "b"]', 'tags = ["c"]'),
    "labels": ('labels = { "a.b" = "x", team = "web" }', 'labels = { team = "core" }'),
    "connectivity": (
        'connectivity = { network_id = "enp" }',
        'connectivity = { network_id = "b", subnet_ids = ["e9b"] }',
    ),
    "log": ('log = { min_level = "WARN", group_id = "g" }', 'log = { folder_id = "f" }'),
    "mounts": (
        'mounts = [{ name = "m", mode = "read_only", bucket = "bucket", prefix = "p/" }]',
        'mounts = [{ name = "m", disk_size = "2GB", block_size = "8KB" }, { name = "n", bucket = "bucket" }]',
    ),
    "async_invocation": (
        'async_invocation = { retries = 3, success = { queue_arn = "yrn:a", service_account_id = "aje" } }',
        "async_invocation = { retries = 0 }",
    ),
    "metadata": ("metadata = { gce_http_endpoint = false }", "metadata = { aws_v1_http_endpoint = true }"),
    "named_service_accounts": (
        'named_service_accounts = { "a-b" = "aje1" }',
        'named_service_accounts = { c = "aje2" }',
    ),
    "service_account": ('service_account_id = "aje"', 'service_account = "robot"'),
    "exclude": ('exclude = ["*.md", "!a b"]', 'exclude = ["${WHO}/"]'),
    "include": ('include = ["*.js"]', 'include = ["*.py", "a/**"]'),
    "files": ('files = { "lib/" = "src/a.js", "." = "src" }', 'files = { "lib/" = "src" }'),
    "build": ('build = { command = "make", inputs = ["*.c"] }', 'build = { command = "true", folder = "src" }'),
    "verify": (
        'verify = { payload = { n = 1, s = "x", l = [true, 1.5, { a = "b" }] }, expect = {}, safe = true }',
        'verify = { http = { query = { q = "1" }, method = "PUT", body = "b" }, timeout = "2m", safe = true }',
    ),
    "create": ("create = true", "create = false"),
    "promote": ('promote = ["stable"]', 'promote = ["live", "next"]'),
    "called_by": ('called_by = "stable"', 'called_by = "$latest"'),
    "function_description": ('function_description = "x ${WHO}"', 'function_description = ""'),
    "scaling": (
        'scaling = { "$latest" = { provisioned = 1, zone_instances = 10 } }',
        "scaling = { stable = { zone_requests = 20 } }",
    ),
    "public": ("public = true", "public = false"),
    "ignore": ('ignore = ["memory"]', 'ignore = ["environment.A", "labels.team"]'),
}
NEEDED = ("runtime", "entrypoint", "memory", "build")
ENVIRON = {"WHO": "ann ${NOT}"}
TABLES = ("defaults", "templates.one", "templates.two", "functions.fun")


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """Draw tables that may each have a line for each key. Required keys are at least in [defaults]."""
    lines = []
    for table in TABLES:
        lines.append(f"[{table}]")
        for key, texts in LINES.items():
            here = draw(st.sampled_from((*texts, "", "", "")))
            lines.append(here or (texts[0] if key in NEEDED and table == "defaults" else ""))
    return HEAD + "\n".join([*lines, 'source = "src"', 'use = ["one", "two"]'])


def write(folder: Path, text: str) -> Path:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "a.js").touch()
    path = folder / "deploy.toml"
    path.write_text(text, "utf-8")
    return path


def resolved(path: Path, key: str = "fun", environ: dict[str, str] | None = None) -> ResolvedFunction:
    found = survey(path, ENVIRON if environ is None else environ)
    assert found.mistakes == ()
    return resolved_function(found, found.manifest.functions[key])


def shown(one: ResolvedFunction, format: str) -> str:
    return FORMATS[format]()(ResolvedView((one,)), None, Outlet(Redactor()))


def sent(spec: FunctionSpec) -> dict[str, Any]:
    assert isinstance(spec.code, SourceCode)
    return body("d4e", spec.settings, {"content": ""}, spec.settings.description)


@given(text=manifests())
@settings(max_examples=60, deadline=None)
def test_what_is_shown_is_what_is_sent(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """The text is a complete manifest without unset variables, and the JSON has the same values."""
    path = write(tmp_path_factory.mktemp("resolved"), text)
    assume(not survey(path, ENVIRON).mistakes)
    meant = load(path, ENVIRON).functions["fun"]
    one = resolved(path)
    assert not any(value.is_redacted for value in one.values)
    text = shown(one, "text")
    found = load(write(path.parent, text), {}).functions["fun"]
    assert sent(found) == sent(meant)
    # The code and the Function's own settings too, except what others ignore and this function does not declare.
    assert replace(found, place=meant.place, as_live=meant.as_live) == meant
    idle = meant.as_live.names - found.as_live.names
    assert found.as_live.whole == meant.as_live.whole
    assert idle <= ({"labels.team"} if "team" not in meant.labels else set()) | (
        {"environment.A", "secrets.A"} if meant.as_live.whole else set()
    )

    rows = orjson.loads(shown(one, "json"))["functions"][0]["settings"]
    values = tomllib.loads(text.replace("$${", "${"))["functions"]["fun"]
    assert {row["key"].split(".")[0].split("[")[0] for row in rows} == values.keys()
    assert all(f"{toml_value(literal(row['value']))}" in text for row in rows)


SECRETS = (
    HEAD
    + """[defaults]
runtime = "python312"
memory = "128MB"
entrypoint = "index.handler"
version_id = "d4e1"
environment.DB_PASSWORD = "hunter2-of-db"
environment.URL = "https://x/${API_KEY}"
environment.PLAIN = "${LEVEL}"
environment.OTHER = "t1.9euelZqabcdefgh"
[functions.fun]
version_id = "d4e1"
environment = { PART_TOKEN = "literal-${LEVEL}", EMPTY_KEY = "" }
verify = { http = { method = "POST", headers = { X-Api-Key = "hunter2-of-verify" }, body = "token=hunter2-of-body" } }
"""
)


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path, SECRETS)
    one = resolved(path, environ={"API_KEY": "hunter2-of-api", "LEVEL": "debug"})
    rows = {row["key"]: row for row in orjson.loads(shown(one, "json"))["functions"][0]["settings"]}
    for text in (shown(one, "text"), shown(one, "json")):
        assert "hunter2" not in text
        assert "9euelZq" not in text
        assert "literal" not in text
    hidden = {
        "environment.DB_PASSWORD",
        "environment.URL",
        "environment.OTHER",
        "environment.PART_TOKEN",
        "verify.http",
    }
    assert {key for key, row in rows.items() if row["redacted"]} == hidden | {"environment.EMPTY_KEY"}
    assert rows["environment.PLAIN"]["value"] == "debug"
    assert rows["environment.URL"]["variables"] == ["API_KEY"]


def test_each_value_stands_beside_its_origin_and_with_verbose_what_it_replaces(tmp_path: Path) -> None:
    text = (
        HEAD
        + '[defaults]\nruntime = "python312"\nmemory = "128MB"\nexclude = ["a"]\n[functions."fun.x"]\nname = "funx"\n'
    )
    path = write(tmp_path, text + 'memory = "1GB"\nentrypoint = "i.h"\nsource = "src"\nexclude = ["b"]\n')
    found = survey(path, {})
    one = resolved_function(found, replace(found.manifest.functions["fun.x"], folder_id=""))
    one = replace(one, place=Place("deploy.toml", 7))
    lines = shown(one, "text").splitlines()
    assert lines[0] == '[functions."fun.x"]  # deploy.toml:7'
    assert [line.split("#")[0].rstrip() for line in lines[3:7]] == ["exclude = [", '  "a",', '  "b",', "]"]
    memory = next(line for line in lines if line.startswith("memory"))
    assert memory.split("# ")[1] == f'{path}:9 [functions."fun.x"]'
    verbose = FORMATS["text"]()(ResolvedView((one,), verbose=True), None, Outlet(Redactor()))
    assert f"{memory}, over {path}:5" in verbose.splitlines()
    assert "folder_id" not in verbose  # nothing says which
    narrow = FORMATS["text"]()(ResolvedView((one,)), 40, Outlet(Redactor())).splitlines()
    at = narrow.index(memory.split("#")[0].rstrip())
    assert narrow[at - 1] == f'# {path}:9 [functions."fun.x"]'  # there is no room for it behind
    assert tomllib.loads("\n".join(narrow)) == tomllib.loads("\n".join(lines))
