from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model import (
    AsyncInvocation,
    AsyncTarget,
    BucketPackage,
    Build,
    Connectivity,
    FunctionSpec,
    LogOptions,
    MetadataOptions,
    Mount,
    Place,
    Secret,
    Settings,
    SourceCode,
    VersionCopy,
)
from tests.unit.manifest.test_tables import FUNCTION, HEAD, JOB, loaded, only

MB = 1024 * 1024
GB = 1024 * MB

EVERY_SETTING = """
[cloud]
folder_id = "b1g"
[functions.fun]
id = "d4e"
name = "thumbnailer"
folder_id = "b1h"
create = true
enabled = false
labels = { team = "media" }
source = "src"
runtime = "golang123"
entrypoint = "index.Handler"
memory = "2GB"
timeout = "1m30s"
description = "thumbnails"
service_account_id = "aje"
named_service_accounts = { db = "ajd" }
environment = { LEVEL = "info" }
secrets = [
  { environment_variable = "TOKEN", id = "e6q", version_id = "e6v", key = "token" },
  { environment_variable = "PASSWORD", name = "db", key = "password" },
]
tags = ["stable"]
connectivity = { network_id = "enp" }
log = { disabled = false, group_id = "ckg", min_level = "INFO" }
mounts = [
  { name = "data", mode = "read_only", bucket = "bbb", prefix = "p" },
  { name = "tmp", disk_size = "1GB", block_size = "4KB" },
]
tmpfs_size = "512MB"
concurrency = 4
metadata = { gce_http_endpoint = true, aws_v1_http_endpoint = false }
[functions.fun.async_invocation]
retries = 3
service_account_id = "ajx"
success = { queue_arn = "yrn", service_account_id = "ajq" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    return tmp_path


def test_every_field_of_a_function(folder: Path) -> None:
    assert only(folder, EVERY_SETTING) == FunctionSpec(
        key="fun",
        name="thumbnailer",
        id="d4e",
        folder_id="b1h",
        create=True,
        enabled=False,
        labels={"team": "media"},
        place=Place(str(folder / "deploy.toml"), 4),
        code=SourceCode(folder / "src", folder),
        settings=Settings(
            runtime="golang123",
            entrypoint="index.Handler",
            memory_bytes=2 * GB,
            execution_timeout_s=90.0,
            description="thumbnails",
            service_account_id="aje",
            named_service_accounts={"db": "ajd"},
            environment={"LEVEL": "info"},
            secrets=(
                Secret("TOKEN", "token", id="e6q", version_id="e6v"),
                Secret("PASSWORD", "password", name="db"),
            ),
            tags=("stable",),
            connectivity=Connectivity("enp"),
            log=LogOptions(disabled=False, group_id="ckg", min_level="INFO"),
            mounts=(
                Mount("data", "read_only", "bbb", "p"),
                Mount("tmp", disk_size_bytes=GB, block_size_bytes=4096),
            ),
            async_invocation=AsyncInvocation(3, "ajx", AsyncTarget("yrn", "ajq"), AsyncTarget()),
            tmpfs_size_bytes=512 * MB,
            concurrency=4,
            metadata=MetadataOptions(gce_http_endpoint=True, aws_v1_http_endpoint=False),
        ),
    )


def test_source_with_everything_that_goes_with_it(folder: Path) -> None:
    (folder / "lib").mkdir()
    keys = 'build = { command = "make", folder = "lib", inputs = ["*.c"] }\ninclude = ["a/**"]\nexclude = ["*.md"]\n'
    keys += 'files = { "x/" = "lib", "." = "lib" }\n'
    code = only(folder, f'{HEAD}[functions.fun]\nsource = "./src"\n{keys}').code
    build, files = Build("make", folder / "lib", ("*.c",)), ((".", folder / "lib"), ("x/", folder / "lib"))
    expected = SourceCode(folder / "src", folder, build, ("a/**",), ("*.md",), files)
    assert code == expected
    assert hash(code) == hash(expected)


def test_a_build_runs_in_the_source_folder_unless_reported_otherwise(folder: Path) -> None:
    (folder / "src" / "index.js").touch()
    for source in ("src", "src/index.js"):
        code = only(folder, f'{HEAD}[functions.fun]\nsource = "{source}"\nbuild = {{ command = "make" }}\n').code
        assert isinstance(code, SourceCode)
        assert code.build == Build("make", folder / "src")


def test_package_and_copy(folder: Path) -> None:
    sha256 = "0123456789ABCDEF" * 4
    keys = f'package = {{ bucket = "bbb", object = "o.zip", sha256 = "{sha256}" }}'
    assert only(folder, f"{HEAD}[functions.fun]\n{keys}\n").code == BucketPackage("bbb", "o.zip", sha256.lower())
    assert only(folder, FUNCTION).code == VersionCopy("$latest")


@pytest.mark.parametrize(
    ("text", "memory_bytes"),
    [('"128MB"', 128 * MB), ('"0.5GB"', 512 * MB), ('"1gb"', GB), ('"131072KB"', 128 * MB), ("134217728", 128 * MB)],
)
def test_sizes(folder: Path, text: str, memory_bytes: int) -> None:
    assert only(folder, f"{FUNCTION}memory = {text}\n").settings.memory_bytes == memory_bytes


@pytest.mark.parametrize(
    ("text", "timeout_s"),
    [
        ('"10s"', 10),
        ('"1m30s"', 90),
        ('"1.5s"', 1.5),
        ('"500ms"', 0.5),
        ('"1h"', 3600),
        ("7", 7),
        ("0.5", 0.5),
        ("0", 0),
    ],
)
def test_durations(folder: Path, text: str, timeout_s: float) -> None:
    assert only(folder, f"{FUNCTION}timeout = {text}\n").settings.execution_timeout_s == timeout_s


def test_a_timeout_that_is_set_nowhere_is_ten_seconds(folder: Path) -> None:
    assert only(folder, FUNCTION).settings.execution_timeout_s == 10.0


MERGED = """
[cloud]
folder_id = "b1g"
[defaults]
runtime = "nodejs22"
memory = "128MB"
entrypoint = "a.b"
environment = { A = "defaults", B = "defaults", C = "defaults", D = "defaults" }
tags = ["defaults"]
log = { min_level = "INFO", folder_id = "b1g" }
service_account = "robot"
source = "src"
exclude = ["*.md"]
[templates.one]
environment = { B = "one", C = "one", D = "one" }
memory = "256MB"
[templates.two]
environment = { C = "two", D = "two" }
timeout = "3s"
[functions.fun]
use = ["one", "two"]
environment = { D = "fun" }
tags = ["fun"]
log = { group_id = "ckg" }
service_account_id = "aje"
version_id = "$latest"
"""


def test_defaults_then_templates_in_order_then_the_function(folder: Path) -> None:
    settings = only(folder, MERGED).settings
    assert settings.environment == {"A": "defaults", "B": "one", "C": "two", "D": "fun"}
    assert (settings.memory_bytes, settings.execution_timeout_s) == (256 * MB, 3.0)
    assert settings.tags == ("fun",)


def test_an_alternative_named_nearer_replaces_the_inherited_one(folder: Path) -> None:
    function = only(folder, MERGED)
    assert function.code == VersionCopy("$latest")
    assert (function.settings.service_account, function.settings.service_account_id) == (None, "aje")
    assert function.settings.log == LogOptions(group_id="ckg", min_level="INFO")


def test_the_order_of_use_decides(folder: Path) -> None:
    swapped = MERGED.replace('["one", "two"]', '["two", "one"]')
    assert only(folder, swapped).settings.environment["C"] == "one"


def test_variables_and_literals(folder: Path) -> None:
    text = f'{FUNCTION}description = "${{A}}-$${{A}}-$A-${{EMPTY}}${{A}}"\n'
    assert only(folder, text, {"A": "x ${B}", "EMPTY": ""}).settings.description == "x ${B}-${A}-$A-x ${B}"


def test_variables_stand_in_lists_jobs_and_other_files_too(folder: Path) -> None:
    (folder / "more.toml").write_text('[functions.fun]\nversion_id = "x"\ntags = ["${T}"]\n')
    manifest = loaded(
        folder, f'include = ["${{F}}*.toml"]\n{HEAD}{JOB}select = ["${{T}}"]\n', {"T": "tag", "F": "more"}
    )
    assert manifest.functions["fun"].settings.tags == ("tag",)
    assert manifest.jobs["nightly"].parameters == {"select": ("tag",)}


def test_included_files_have_their_own_folder(folder: Path) -> None:
    team = folder / "teams" / "media"
    (team / "code").mkdir(parents=True)
    (team / "functions.toml").write_text('# media\n[functions.more]\nsource = "code"\n')
    manifest = loaded(folder, f'include = ["teams/*/functions.toml", "deploy.toml"]\n{FUNCTION}')
    assert list(manifest.functions) == ["fun", "more"]
    assert manifest.files == (folder / "deploy.toml", team / "functions.toml")
    more = manifest.functions["more"]
    assert more.code == SourceCode(team / "code", team)
    assert more.place == Place(str(team / "functions.toml"), 2)
    assert more.settings.runtime == "nodejs22"


def test_paths_of_defaults_are_those_of_the_main_file(folder: Path) -> None:
    (folder / "team").mkdir()
    (folder / "team" / "functions.toml").write_text("[functions.more]\n")
    manifest = loaded(folder, f'include = ["**/functions.toml"]\n{HEAD}source = "src"\n')
    assert manifest.functions["more"].code == SourceCode(folder / "src", folder / "team")
