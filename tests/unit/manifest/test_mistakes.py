"""Every kind of bad manifest: the exact place, the key, and the rule. `# <-` marks the expected line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.manifest.test_tables import FUNCTION, HEAD, JOB, SOURCE, mistakes

TAGS = [*"abcdefghijk"]
SECRET = '{ environment_variable = "A", key = "k", id = "e" }'


def marked_line(text: str) -> int:
    return next((number for number, line in enumerate(text.split("\n"), 1) if "# <-" in line), 0)


def check(folder: Path, text: str, key: str, fragment: str) -> None:
    found = mistakes(folder, text)
    assert [(mistake.line, mistake.key) for mistake in found] == [(marked_line(text), key)], found
    assert fragment in found[0].rule
    assert Path(found[0].file).name == "deploy.toml"


# one wrong key in an otherwise good function: the line, the key, a part of the rule
OF_A_FUNCTION = [
    ('memory = "100MB"', "memory", 'from "128MB" to "8GB"'),
    ('memory = "16GB"', "memory", 'from "128MB" to "8GB"'),
    ('memory = "200MB"', "memory", "multiple of 128MB"),
    ('memory = "lots"', "memory", 'a size such as "128MB"'),
    ("memory = true", "memory", 'a size such as "128MB"'),
    ("memory = -1", "memory", "negative"),
    ('timeout = "61m"', "timeout", "at most 1h"),
    ('timeout = "10 s"', "timeout", 'a duration such as "10s"'),
    ('timeout = "10"', "timeout", 'a duration such as "10s"'),
    ('timeout = ""', "timeout", "a duration"),
    ("timeout = -1", "timeout", "0 or more"),
    ("timeout = nan", "timeout", "number of seconds"),
    (f'description = "{"x" * 501}"', "description", "at most 500 characters"),
    ("description = 3", "description", "must be a string"),
    ('runtime = "Python 3.12"', "runtime", "runtime ID such as python312"),
    ('runtime = ""', "runtime", "runtime ID"),
    ('entrypoint = ""', "entrypoint", "must not be empty"),
    ('name = "Fun"', "name", "3 to 63 lower-case letters"),
    ('name = "ab"', "name", "3 to 63"),
    ('name = "fun-"', "name", "not end with a hyphen"),
    ('environment = { "1A" = "x" }', "environment.1A", "must begin with a letter"),
    ('environment = { "A-B" = "x" }', "environment.A-B", "letters, digits and underscores"),
    ("environment = { A = 1 }", "environment.A", "must be a string"),
    (f'environment = {{ A = "{"x" * 4097}" }}', "environment.A", "at most 4096 characters"),
    (f'environment = {{ A = "{"x" * 4096}" }}', "environment", "4097 bytes"),
    (f'environment = {{ A = "{"я" * 2048}" }}', "environment", "4097 bytes"),
    ('environment = "A=1"', "environment", "must be a table"),
    ('secrets = [{ environment_variable = "A", key = "k" }]', "secrets[0]", "exactly one of id and name"),
    ('secrets = [{ environment_variable = "A", key = "k", id = "e", name = "n" }]', "secrets[0]", "exactly one of id"),
    ('secrets = [{ environment_variable = "A", id = "e" }]', "secrets[0].key", "is required"),
    ('secrets = [{ key = "k", id = "e" }]', "secrets[0].environment_variable", "is required"),
    (
        f"secrets = [{SECRET}, {SECRET}]",
        "secrets[1].environment_variable",
        "by another secret",
    ),
    ('tags = ["Stable"]', "tags[0]", "lower-case letter"),
    ('tags = ["$latest"]', "tags[0]", "moves it to every new version"),
    ('tags = ["a", "a"]', "tags[1]", "twice"),
    ('tags = "stable"', "tags", "must be a list"),
    ('tags = ["orc-a"]', "tags[0]", "orc-a is reserved for verified versions"),
    ('promote = ["orc-b"]', "promote[0]", "orc-b is reserved"),
    ('promote = ["$latest"]', "promote[0]", "moves it to every new version"),
    ('promote = ["Stable"]', "promote[0]", "lower-case letter"),
    ('promote = "stable"', "promote", "must be a list"),
    ('promote = ["a", "a"]', "promote[1]", "twice"),
    ('tags = ["b"]\npromote = ["a", "b"] # <-', "promote[1]", '"b" is also in tags, which move before'),
    (f"tags = {TAGS[:6]}\npromote = {TAGS[5:10]} # <-".replace("'", '"'), "promote[0]", '"f" is also in tags'),
    (
        f"tags = {TAGS[:6]}\npromote = {TAGS[6:]} # <-".replace("'", '"'),
        "promote",
        "a function can have 10 tags, not 11",
    ),
    ('called_by = "Stable"', "called_by", "must be a tag, or $latest"),
    ('called_by = "orc-a"', "called_by", "orc-a is reserved"),
    ("called_by = true", "called_by", "must be a string"),
    ('tags = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]', "tags", "a function can have 10 tags"),
    ('labels = { Team = "x" }', "labels.Team", "label key"),
    ('labels = { team = "Media" }', "labels.team", "label value"),
    ("labels = { " + ", ".join(f"a{i} = 'x'" for i in range(65)) + " }", "labels", "at most 64 entries"),
    ('service_account_id = "aje"\nservice_account = "sa" # <-', "service_account", "only one of"),
    ('connectivity = { subnet_ids = ["e9b", "e9b"] }', "connectivity.subnet_ids[1]", "twice"),
    ('connectivity = { subnet_ids = [""] }', "connectivity.subnet_ids[0]", "must not be empty"),
    ("connectivity = {}", "connectivity", "needs network_id"),
    ('log = { group_id = "ckg", folder_id = "b1g" }', "log.folder_id", "only one of group_id and folder_id"),
    ('log = { group_id = "1x" }', "log.group_id", "must begin with a letter"),
    ('log = { min_level = "info" }', "log.min_level", 'did you mean "INFO"?'),
    ('mounts = [{ name = "d" }]', "mounts[0]", "exactly one of bucket and disk_size"),
    ('mounts = [{ name = "d", bucket = "bbb", disk_size = "1GB" }]', "mounts[0]", "exactly one of"),
    ('mounts = [{ name = "d/e", bucket = "bbb" }]', "mounts[0].name", "1 to 100 letters"),
    ('mounts = [{ name = "d", bucket = "b" }]', "mounts[0].bucket", "3 to 63"),
    ('mounts = [{ name = "d", disk_size = "1500MB" }]', "mounts[0].disk_size", "whole number of gigabytes"),
    ('mounts = [{ name = "d", disk_size = "1GB", block_size = "5KB" }]', "mounts[0].block_size", '"128KB"'),
    ('mounts = [{ name = "d", disk_size = "1GB", block_size = "256KB" }]', "mounts[0].block_size", '"128KB"'),
    (
        'mounts = [{ name = "d", bucket = "bbb", block_size = "4KB" }]',
        "mounts[0].block_size",
        "only allowed with disk_size",
    ),
    ('mounts = [{ name = "d", disk_size = "1GB", prefix = "p" }]', "mounts[0].prefix", "only allowed with bucket"),
    ('mounts = [{ name = "d", bucket = "bbb", mode = "readonly" }]', "mounts[0].mode", 'did you mean "read_only"?'),
    (
        'mounts = [{ name = "d", bucket = "bbb" }, { name = "d", bucket = "ccc" }]',
        "mounts[1].name",
        'two mounts are named "d"',
    ),
    ('storage_mounts = [{ name = "d" }]', "storage_mounts[0].bucket", "is required"),
    ("async_invocation = { retries = 101 }", "async_invocation.retries", "at most 100"),
    (
        'async_invocation = { success = { queue_arn = "y" } }',
        "async_invocation.success",
        "service_account_id is missing",
    ),
    (
        'async_invocation = { failure = { service_account_id = "y" } }',
        "async_invocation.failure",
        "queue_arn is missing",
    ),
    (
        f'async_invocation = {{ failure = {{ queue_arn = "q", service_account_id = "{"x" * 51}" }} }}',
        "async_invocation.failure.service_account_id",
        "1 to 50 characters",
    ),
    ('tmpfs_size = "256MB"', "tmpfs_size", "from 512MB to three quarters of memory (768MB)"),
    ('tmpfs_size = "1GB"', "tmpfs_size", "three quarters"),
    ('memory = "512MB"\ntmpfs_size = "512MB" # <-', "tmpfs_size", 'at least "1GB"'),
    ("concurrency = 17", "concurrency", "at most 16"),
    ('concurrency = "4"', "concurrency", "whole number, without quotes"),
    ('runtime = "python312"\nconcurrency = 4 # <-', "concurrency", "not for python312"),
    ('metadata = { gce_http_endpoint = "yes" }', "metadata.gce_http_endpoint", "true or false"),
    ('exclude = ["x"]', "exclude", "is only allowed with source, not with version_id"),
    ('build = { command = "make" }', "build", "is only allowed with source"),
    ('into = "app"', "into", "is only allowed with source"),
    ('source = "."', "version_id", "source is set too"),
    ('package = { bucket = "bbb", object = "o" }', "version_id", "package is set too"),
    ('use = ["ydb"]', "use[0]", "there is no [templates.ydb]"),
    ("enabled = 1", "enabled", "true or false"),
    ('folder_id = "b 1"', "folder_id", "without spaces"),
    ('memry = "1GB"', "memry", 'did you mean "memory"?'),
    ('executionTimeout = "3s"', "executionTimeout", 'did you mean "timeout"?'),
    ('serviceAccountId = "aje"', "serviceAccountId", 'did you mean "service_account_id"?'),
    ('env = { A = "x" }', "env", 'did you mean "environment"?'),
    ('tag = ["a"]', "tag", 'did you mean "tags"?'),
    ('zzzz = "x"', "zzzz", "unknown key"),
    ('description = "${NOPE}"', "description", "the variable NOPE is not set"),
    ('description = "${1}"', "description", "followed by a variable's name"),
    ('tags = ["a", "${NOPE}"]', "tags[1]", "NOPE is not set"),
]


@pytest.mark.parametrize(
    ("line", "key", "fragment"), OF_A_FUNCTION, ids=[f"{row[1]}-{i}" for i, row in enumerate(OF_A_FUNCTION)]
)
def test_a_wrong_key_of_a_function(tmp_path: Path, line: str, key: str, fragment: str) -> None:
    text = FUNCTION + (line if "# <-" in line else f"{line} # <-") + "\n"
    if key == "version_id":  # of two alternatives, the second is reported
        text = text.replace('version_id = "$latest"', 'version_id = "$latest" # <-').replace(f"{line} # <-", line)
    check(tmp_path, text, f"functions.fun.{key}", fragment)


LARGE = "x" * (3_670_016 - 7)
OF_A_VERIFY = [
    ("true", "", "must be a table"),
    ("{}", "", 'needs one of payload, http and command; to remove an inherited table, set without = ["verify"]'),
    ("{ attempts = 2 }", "", "needs one of payload, http and command"),
    ("{ payload = {}, http = {} }", ".http", "set only one of payload, http and command; payload is set too"),
    ('{ command = ["true"], http = {} }', ".command", "set only one of payload, http and command; http is set"),
    ('{ command = ["true"], payload = {} }', ".command", "payload is set too"),
    ("{ http = {}, expect = 1 }", ".expect", "is only allowed with payload; use expect_body with http"),
    (
        '{ command = ["true"], expect = 1 }',
        ".expect",
        "is only allowed with payload; a command passes by its exit code",
    ),
    ("{ paylod = {} }", ".paylod", 'did you mean "payload"?'),
    ("{ payload = 2026-01-01 }", ".payload", "is a date or a time, which JSON does not support; put it in quotes"),
    ("{ payload = { a = [1, { b = 10:00:00 }] } }", ".payload", "at a[1].b is a date or a time"),
    ("{ payload = { a = inf } }", ".payload", "at a is inf, which JSON does not support"),
    ("{ payload = [nan] }", ".payload", "at [0] is nan"),
    ("{ payload = 9223372036854775808 }", ".payload", "more than 64 bits"),
    ("{ payload = {}, expect = 2026-01-01T00:00:00Z }", ".expect", "is a date or a time"),
    (
        f'{{ payload = {{ a = "{LARGE}" }} }}',
        ".payload",
        "has 3,670,017 bytes as JSON; the limit of a call is 3,670,016",
    ),
    ("{ payload = {}, attempts = 0 }", ".attempts", "must be at least 1"),
    ("{ payload = {}, attempts = 11 }", ".attempts", "must be at most 10"),
    ("{ payload = {}, attempts = 1.5 }", ".attempts", "whole number"),
    ("{ payload = {}, timeout = 0 }", ".timeout", "must be more than 0 seconds and at most 10m"),
    ('{ payload = {}, timeout = "601s" }', ".timeout", "at most 10m"),
    ('{ payload = {}, timeout = "soon" }', ".timeout", "a duration such as"),
    ("{ payload = {}, timeout = -1 }", ".timeout", "0 or more"),
    ('{ payload = {}, safe = "yes" }', ".safe", "true or false"),
    ("{ command = [] }", ".command", "must not be empty"),
    ('{ command = "./smoke.sh" }', ".command", "must be a list"),
    ('{ command = [" "] }', ".command", "must begin with the program that it runs"),
    ('{ command = ["./nowhere.sh"] }', ".command", 'nowhere.sh" does not exist'),
    ('{ command = ["./deploy.toml", "x"] }', ".command", "is not executable: `chmod +x "),
    ('{ command = ["../"] }', ".command", "is not a program"),
    ('{ command = ["no-such-program"] }', ".command", '"no-such-program" is not in PATH'),
    ('{ command = ["deploy.toml"] }', ".command", '"deploy.toml" is not in PATH; did you mean "./deploy.toml"?'),
    (
        '{ http = { method = "get" } }',
        ".http.method",
        "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    ),
    ('{ http = { body = "x" } }', ".http.body", 'a GET has no body; add method = "POST"'),
    ('{ http = { method = "HEAD", body = "x" } }', ".http.body", "a HEAD has no body"),
    ('{ http = { method = "HEAD", expect_body = "x" } }', ".http.expect_body", "the response to a HEAD has no body"),
    (f'{{ http = {{ method = "PUT", body = "{LARGE}12345678" }} }}', ".http.body", "has 3,670,017 bytes"),
    ("{ http = { body = {} } }", ".http.body", "must be a string"),
    ("{ http = { expect_status = 199 } }", ".http.expect_status", "at least 200"),
    ("{ http = { expect_status = 600 } }", ".http.expect_status", "at most 599"),
    ('{ http = { expect_status = "200" } }', ".http.expect_status", "whole number, without quotes"),
    ("{ http = { expect_body = { a = 2026-01-01 } } }", ".http.expect_body", "at a is a date"),
    ('{ http = { headers = { "A B" = "x" } } }', '.http.headers."A B"', "must be a header name"),
    ('{ http = { headers = { "" = "x" } } }', '.http.headers.""', "must be a header name"),
    (
        '{ http = { headers = { Authorization = "x" } } }',
        ".http.headers.Authorization",
        "is removed from requests by the cloud",
    ),
    (
        '{ http = { headers = { cookie = "x" } } }',
        ".http.headers.cookie",
        "is removed from requests by the cloud",
    ),
    ('{ http = { headers = { Host = "x" } } }', ".http.headers.Host", "is set by the call itself"),
    (
        '{ http = { headers = { x-orchestrator-verify = "x" } } }',
        ".http.headers.x-orchestrator-verify",
        "is set by the call itself",
    ),
    ('{ http = { headers = { A = "x", a = "y" } } }', ".http.headers", "has both A and a, which are the same header"),
    (
        '{ http = { headers = { A = "x\\r\\nB: y" } } }',
        ".http.headers.A",
        "must not contain control characters, line breaks",
    ),
    ('{ http = { headers = { A = " x" } } }', ".http.headers.A", "or spaces around it"),
    ('{ http = { headers = { A = "яблоко" } } }', ".http.headers.A", "must not contain control characters"),
    ("{ http = { headers = { A = 1 } } }", ".http.headers.A", "must be a string"),
    ("{ http = { query = { a = 1 } } }", ".http.query.a", "must be a string"),
    ('{ http = { path = "/x" } }', ".http.path", "unknown key"),
    ('{ payload = { a = "${NOPE}" } }', ".payload.a", "the variable NOPE is not set"),
]


@pytest.mark.parametrize(
    ("value", "key", "fragment"), OF_A_VERIFY, ids=[f"{row[1]}-{i}" for i, row in enumerate(OF_A_VERIFY)]
)
def test_a_wrong_verification(tmp_path: Path, value: str, key: str, fragment: str) -> None:
    check(tmp_path, f"{FUNCTION}verify = {value} # <-\n", f"functions.fun.verify{key}", fragment)


OF_A_SOURCE = [
    ('build = { command = "make", folder = "nowhere" }', "build.folder", "does not exist"),
    ('build = { folder = "." }', "build.command", "is required"),
    ('build = { command = "make", folder = "deploy.toml" }', "build.folder", "is not a folder"),
    ('into = "../x"', "into", "must be a folder in the package: a relative path"),
    ('into = "/x"', "into", "relative"),
    ('into = "."', "into", "without . or .."),
    ('into = ""', "into", "must not be empty"),
    ("into = 3", "into", "must be a string"),
    ('files = { common = "nowhere" }', "files.common", "does not exist"),
    ('files = { "/common" = "." }', 'files."/common"', "path in the package"),
    ('files = { "a/../../b" = "." }', 'files."a/../../b"', "without .."),
    ('files = { "" = "." }', 'files.""', "path in the package"),
    ("exclude = [1]", "exclude[0]", "must be a string"),
    ('include = [""]', "include[0]", "must not be empty"),
]


@pytest.mark.parametrize(("line", "key", "fragment"), OF_A_SOURCE)
def test_a_wrong_key_of_a_source(tmp_path: Path, line: str, key: str, fragment: str) -> None:
    check(tmp_path, f"{SOURCE}{line} # <-\n", f"functions.fun.{key}", fragment)


WHOLE = [
    ("", "", "no function and no job"),
    ('[cloud]\nfolder_id = "b1g"\n', "", "no function and no job"),
    (HEAD + "[functions.fun] # <-\n", "functions.fun", "one of source, package and version_id"),
    (HEAD + '[functions.fun]\nsource = "nowhere" # <-\n', "functions.fun.source", "does not exist"),
    (HEAD + '[functions.fun]\npackage = { bucket = "bbb" } # <-\n', "functions.fun.package.object", "is required"),
    (
        HEAD + '[functions.fun]\npackage = { bucket = "bbb", object = "o", sha256 = "abc" } # <-\n',
        "functions.fun.package.sha256",
        "64 characters",
    ),
    (
        HEAD + '[functions.fun]\npackage = { bucket = "bbb", object = "a:b" } # <-\n',
        "functions.fun.package.object",
        "must not contain :",
    ),
    (HEAD + '[functions.Fun] # <-\nversion_id = "x"\n', "functions.Fun", "or give the function a `name`"),
    (HEAD + '[functions."a b"] # <-\nversion_id = "x"\nname = "abc"\n', 'functions."a b"', "no spaces"),
    (HEAD + "[functions]\nfun = 3 # <-\n", "functions.fun", "must be a table"),
    (FUNCTION.replace('runtime = "nodejs22"\n', "").replace("fun]", "fun] # <-"), "functions.fun.runtime", "required"),
    (FUNCTION.replace('memory = "1GB"\n', "").replace("fun]", "fun] # <-"), "functions.fun.memory", "required"),
    (
        FUNCTION.replace('entrypoint = "index.handler"\n', "").replace("fun]", "fun] # <-"),
        "functions.fun.entrypoint",
        "required",
    ),
    (
        FUNCTION.replace('folder_id = "b1g"\n', "").replace("[cloud]", "[cloud] # <-"),
        "cloud.folder_id",
        "YC_FOLDER_ID",
    ),
    (
        FUNCTION + 'name = "same"\n[functions.other]\nversion_id = "x"\nname = "same" # <-\n',
        "functions.other.name",
        "same name in the same folder as functions.fun",
    ),
    (
        FUNCTION + 'id = "d4e"\n[functions.other]\nversion_id = "x"\nid = "d4e" # <-\n',
        "functions.other.id",
        "the same id as functions.fun",
    ),
    (
        FUNCTION + 'environment = { TOKEN = "x" }\nsecrets = [\n'
        '  { environment_variable = "TOKEN", id = "e6q", key = "k" }, # <-\n]\n',
        "functions.fun.secrets[0].environment_variable",
        "is also in environment",
    ),
    (FUNCTION + "enabled = false\nconcurrency = 99 # <-\n", "functions.fun.concurrency", "at most 16"),
    (FUNCTION + '[template.x] # <-\nmemory = "1GB"\n', "template", 'did you mean "templates"?'),
    ('runtime = "python312" # <-\n' + FUNCTION, "runtime", "it belongs in [defaults]"),
    (
        FUNCTION + '[templates.a]\nuse = ["b"] # <-\n[templates.b]\n',
        "templates.a.use",
        "a template cannot use templates",
    ),
    (FUNCTION + '[templates.ydb]\nmemory = "1MB" # <-\n', "templates.ydb.memory", "from"),
    (FUNCTION + 'use = ["ybd"] # <-\n[templates.ydb]\n', "functions.fun.use[0]", 'did you mean "ydb"?'),
    (FUNCTION.replace('"b1g"', '"b1g"\nendpoint = "api.cloud" # <-'), "cloud.endpoint", "https://"),
    (FUNCTION.replace('"b1g"', '"b1g"\nendpont = "https://x" # <-'), "cloud.endpont", 'did you mean "endpoint"?'),
    (FUNCTION + '[storage]\nbucket = "B_" # <-\n', "storage.bucket", "bucket name"),
    (FUNCTION + '[storage]\nbucket = "bbb"\nprefix = "a*/" # <-\n', "storage.prefix", "must not contain :"),
    (FUNCTION + f'[storage]\nprefix = "{"я" * 500}" # <-\n', "storage.prefix", "shorter than 956 bytes"),
    (FUNCTION + "[limits]\noperations_per_function = 0 # <-\n", "limits.operations_per_function", "at least 1"),
    (FUNCTION + "[limits]\nreserve = 15 # <-\n", "limits.reserve", "smaller than operations_per_folder, which is 15"),
    (FUNCTION + "[limits]\nrequests_per_second = 0 # <-\n", "limits.requests_per_second", "more than 0"),
    (FUNCTION + "[limits]\npolls_per_second = inf # <-\n", "limits.polls_per_second", "finite"),
    (FUNCTION + '[limits]\noperation_deadline = "0s" # <-\n', "limits.operation_deadline", "more than 0"),
    (FUNCTION + "[rollout]\nwaves = [] # <-\n", "rollout.waves", "must not be empty"),
    (FUNCTION + '[rollout]\nwaves = [\n  1,\n  "101%", # <-\n]\n', "rollout.waves[1]", "a share from"),
    (FUNCTION + '[rollout]\nwaves = ["100%", 1] # <-\n', "rollout.waves", 'must grow, but 1 comes after "100%"'),
    (FUNCTION + '[rollout]\nwaves = [3, 3, "100%"] # <-\n', "rollout.waves", "must grow, but 3 comes after 3"),
    (FUNCTION + '[rollout]\nwaves = [5, "10%", 3] # <-\n', "rollout.waves", "must grow, but 3 comes after 5"),
    (
        FUNCTION + '[rollout]\nwaves = ["50%", 1, "50.0%"] # <-\n',
        "rollout.waves",
        'must grow, but "50.0%" comes after "50%"',
    ),
    (
        FUNCTION + '[rollout]\nwaves = ["100%", "100%"] # <-\n',
        "rollout.waves",
        'must grow, but "100%" comes after "100%"',
    ),
    (JOB + "rollout = { waves = [2, 1] } # <-\n", "jobs.nightly.rollout.waves", "must grow, but 1 comes after 2"),
    (FUNCTION + "[rollout]\nwaves = [0] # <-\n", "rollout.waves[0]", "at least 1"),
    (FUNCTION + '[rollout]\nmax_failures = "some" # <-\n', "rollout.max_failures", "a count such as 5"),
    (FUNCTION + '[rollout]\non_breach = "rolback" # <-\n', "rollout.on_breach", "must be one of stop"),
    (FUNCTION + "[rollout]\npause = -1 # <-\n", "rollout.pause", '0 or more; or "approval"'),
    (FUNCTION + '[rollout]\npause = "aproval" # <-\n', "rollout.pause", 'a number of seconds; or "approval"'),
    (FUNCTION + "[rollout]\npause = true # <-\n", "rollout.pause", 'or "approval"'),
    (FUNCTION + '[rollout]\ncanary = "ping" # <-\n', "rollout.canary", "must be a list"),
    (FUNCTION + '[rollout]\ncanary = ["fun", "@names"] # <-\n', "rollout.canary[1]", "is a file of names: list the"),
    (FUNCTION + '[rollout]\ncanary = ["!@names"] # <-\n', "rollout.canary[0]", "is a file of names"),
    (FUNCTION + '[rollout]\ncanary = ["label:tier"] # <-\n', "rollout.canary[0]", "write label:KEY=VALUE"),
    (
        FUNCTION + '[rollout]\non_breach = "rollback" # <-\n',
        "rollout.on_breach",
        '"rollback" needs max_failures',
    ),
    (
        JOB + 'rollout = { on_breach = "rollback" } # <-\n',
        "jobs.nightly.rollout.on_breach",
        '"rollback" needs max_failures',
    ),
    (
        FUNCTION + '[rollout]\non_breach = "rollback"\nmax_failures = "some" # <-\n',  # it is only reported as wrong
        "rollout.max_failures",
        "a count such as 5",
    ),
    (
        '[rollout]\nmax_failures = "some" # <-\n' + JOB + 'rollout = { on_breach = "rollback" }\n',
        "rollout.max_failures",
        "a count such as 5",
    ),
    (FUNCTION + '[rollout]\non_inconclusive = "ignore" # <-\n', "rollout.on_inconclusive", "one of pause, fail, pass"),
    (FUNCTION + '[rollout]\ntwo_phase = "yes" # <-\n', "rollout.two_phase", "true or false"),
    (FUNCTION + "[rollout]\npin = 1 # <-\n", "rollout.pin", "true or false"),
    (FUNCTION + "[rollout]\nverify_at_once = 0 # <-\n", "rollout.verify_at_once", "at least 1"),
    (FUNCTION + "[rollout]\nverify_at_once = 101 # <-\n", "rollout.verify_at_once", "at most 100"),
    (FUNCTION + "[rollout]\ngate = {} # <-\n", "rollout.gate.command", "is required"),
    (FUNCTION + '[rollout]\ngate = { command = ["./gate.sh"] } # <-\n', "rollout.gate.command", "does not exist"),
    (FUNCTION + '[rollout]\ngate = { command = ["gate-x"] } # <-\n', "rollout.gate.command", "is not in PATH"),
    (
        JOB + 'rollout = { gate = { command = ["./deploy.toml"] } } # <-\n',
        "jobs.nightly.rollout.gate.command",
        "is not executable: `chmod +x ",
    ),
    (
        FUNCTION + '[rollout]\ngate = { command = ["true"], timeout = 0 } # <-\n',
        "rollout.gate.timeout",
        "must be more than 0 seconds and at most 1h",
    ),
    (
        HEAD + 'verify = { payload = {} } # <-\n[functions.fun]\nversion_id = "x"\n',
        "defaults.verify.payload",
        "would call every function, whatever it does: add safe = true, or move it into a template",
    ),
    (HEAD + 'verify = { http = {} } # <-\n[functions.fun]\nversion_id = "x"\n', "defaults.verify.http", "add safe"),
    (
        HEAD + 'verify = { command = ["true"], safe = false } # <-\n[functions.fun]\nversion_id = "x"\n',
        "defaults.verify.command",
        "add safe = true",
    ),
    (
        FUNCTION + 'use = ["t"]\n[templates.t]\nverify = { command = ["./nowhere.sh"] } # <-\n',
        "templates.t.verify.command",
        "does not exist",
    ),
    (
        FUNCTION.replace('"b1g"', '"b1g"\ninvoke_endpoint = "functions" # <-'),
        "cloud.invoke_endpoint",
        "https://",
    ),
    ("[jobs.nightly] # <-\nforce = true\n", "jobs.nightly.run", "is required"),
    (JOB + 'timezone = "Europe/Moskow" # <-\n', "jobs.nightly.timezone", 'did you mean "Europe/Moscow"?'),
    (JOB + 'timezone = "../etc" # <-\n', "jobs.nightly.timezone", "is not a time zone"),
    (JOB + 'schedule = "0 3 * *" # <-\n', "jobs.nightly.schedule", "five cron fields"),
    (JOB + 'select = "auth-*" # <-\n', "jobs.nightly.select", "must be a list"),
    (JOB + 'force = "yes" # <-\n', "jobs.nightly.force", "true or false"),
    (JOB + 'from = "python37" # <-\n', "jobs.nightly.from", "must be a list"),
    (JOB + 'skip = [{ reason = "x" }] # <-\n', "jobs.nightly.skip[0].function", "is required"),
    (JOB + 'skip = [{ function = "x", until = "soon" }] # <-\n', "jobs.nightly.skip[0].until", "must be a date"),
    (JOB + 'rollout = { on_breach = "halt" } # <-\n', "jobs.nightly.rollout.on_breach", "must be one of stop"),
    ('include = "x.toml" # <-\n' + FUNCTION, "include", "must be a list"),
    ('include = ["x.toml"] # <-\n' + FUNCTION, "include[0]", "no such file"),
    ("[functions.fun # <-\n", "", "is not valid TOML: "),
    ("a = 1\n\na = 2 # <-\n", "", "this key is already defined"),
    ("[functions.fun]\n[functions.fun] # <-\n", "", "[functions.fun] is defined twice"),
    ('a = """\n\n\nx # <-', "", "is not valid TOML: unterminated string"),
    ("a = " + "[" * 5000, "", "nested too deeply"),
    ("a = " + "9" * 5000, "", "too many digits"),
    (FUNCTION + 'exclude = ["x\\u0000"] # <-\n', "functions.fun.exclude[0]", "NUL"),
]


@pytest.mark.parametrize(("text", "key", "fragment"), WHOLE, ids=[f"{row[1]}-{i}" for i, row in enumerate(WHOLE)])
def test_a_wrong_manifest(tmp_path: Path, text: str, key: str, fragment: str) -> None:
    check(tmp_path, text, key, fragment)
