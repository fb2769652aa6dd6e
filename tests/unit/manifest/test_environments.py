"""[environments.*]: which one counts, how it is merged, and `only`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ManifestError, UsageError
from orchestrator.job.binding import bind
from orchestrator.manifest import toml_files
from orchestrator.manifest.check import keys_of
from orchestrator.manifest.environments import twins
from orchestrator.manifest.environments.choosing import ManifestChoice
from orchestrator.manifest.file_tables import EnvironmentTable
from orchestrator.manifest.findings import Findings
from orchestrator.manifest.includes.files import CheckedFile
from orchestrator.manifest.load import Looks, load, load_for_run, survey, survey_for_run
from orchestrator.manifest.merge import Draft
from orchestrator.manifest.origins.of_function import origins_of
from orchestrator.model import Manifest
from orchestrator.planning.selection import select
from tests.unit.manifest.test_tables import HEAD as WITH_FOLDER

# The folder is set by the process, so it may differ between two environments.
HEAD = WITH_FOLDER.replace('folder_id = "b1g"\n', "")
ENVIRON = {"YC_FOLDER_ID": "b1g"}
FUN = '[functions.fun]\nversion_id = "x"\n'
BASE = (
    f'{HEAD}environment = {{ LEVEL = "info", REGION = "ru" }}\n[templates.web]\nmemory = "256MB"\n{FUN}use = ["web"]\n'
)


def read(folder: Path, text: str, environment: str = "prod") -> Manifest:
    path = folder / "deploy.toml"
    path.write_text(text, "utf-8")
    return load(path, {"GIVEN": "given", **ENVIRON}, ManifestChoice(environment))


def mistake(folder: Path, text: str, environment: str = "prod") -> tuple[int, str, str]:
    with pytest.raises(ManifestError) as caught:
        read(folder, text, environment)
    (found,) = caught.value.mistakes
    return found.line, found.key, found.rule


# Keys of [environments.prod], and what differs in the manifest then.
LAID_OVER: dict[str, tuple[str, Any, Any]] = {
    "variables": ('variables = { GIVEN = "other" }', lambda m: m.functions["fun"].settings.description, "other"),
    "cloud": (
        'cloud = { folder_id = "b1h" }',
        lambda m: (m.functions["fun"].folder_id, m.cloud.cloud_id),
        ("b1h", "c"),
    ),
    "storage": ('storage = { bucket = "bbb" }', lambda m: (m.storage.bucket, m.storage.prefix), ("bbb", "p/")),
    "limits": ("limits = { reserve = 2 }", lambda m: (m.limits.reserve, m.limits.operations_per_folder), (2, 9)),
    "rollout": ("rollout = { waves = [1] }", lambda m: (m.rollout.waves, m.rollout.max_failures), ((1,), 3)),
    "defaults": (
        'defaults = { environment = { LEVEL = "warn" } }',
        lambda m: m.functions["fun"].settings.environment,
        {"LEVEL": "warn", "REGION": "ru"},
    ),
    "templates": (
        'templates = { web = { memory = "512MB" } }',
        lambda m: m.functions["fun"].settings.memory_bytes >> 20,
        512,
    ),
    "functions": (
        "functions = { fun = { timeout = 3 } }",
        lambda m: m.functions["fun"].settings.execution_timeout_s,
        3,
    ),
    "default": ("default = true", lambda m: m.environment, "prod"),
}
REST = '[storage]\nprefix = "p/"\n[limits]\noperations_per_folder = 9\n[rollout]\nmax_failures = 3\n'
WHOLE = BASE.replace("[cloud]", '[cloud]\ncloud_id = "c"') + 'description = "${GIVEN}"\n' + REST


@pytest.mark.parametrize("key", LAID_OVER)
def test_each_table_of_an_environment_is_laid_over_that_of_the_file(tmp_path: Path, key: str) -> None:
    line, of, value = LAID_OVER[key]
    text = f"{WHOLE}[environments.dev]\n[environments.prod]\n{line}\n"
    environment = "" if key == "default" else "prod"
    assert of(read(tmp_path, text, environment)) == value
    assert of(read(tmp_path, text, "dev")) != value


def test_the_table_above_has_every_key_of_an_environment() -> None:
    assert LAID_OVER.keys() | {"protected"} == set(keys_of(EnvironmentTable))


def test_the_nearest_layer_wins_and_the_order_is_that_of_the_docs(tmp_path: Path) -> None:
    """[defaults], those of the environment, each template with the environment's, the function, the environment's."""
    layers = [
        ("defaults", "[defaults.environment]"),
        ("environments.prod.defaults", "[environments.prod.defaults.environment]"),
        ("templates.one", "[templates.one.environment]"),
        ("environments.prod.templates.one", "[environments.prod.templates.one.environment]"),
        ("templates.two", "[templates.two.environment]"),
        ("environments.prod.templates.two", "[environments.prod.templates.two.environment]"),
        ("functions.fun", "[functions.fun.environment]"),
        ("environments.prod.functions.fun", "[environments.prod.functions.fun.environment]"),
    ]
    head = HEAD + FUN + 'use = ["one", "two"]\n'
    tables = [
        f"{header}\n" + "".join(f'V{at} = "{number}"\n' for at in range(number + 1))
        for number, (_, header) in enumerate(layers)
    ]
    path = tmp_path / "deploy.toml"
    path.write_text(head + "".join(tables))
    found = survey(path, ENVIRON, choice=ManifestChoice("prod"))
    assert found.mistakes == ()
    assert found.manifest.functions["fun"].settings.environment == {f"V{n}": "7" for n in range(8)}
    origin = {one.key: one for one in origins_of(found, "fun")}["environment.V0"]
    lines = path.read_text().split("\n")
    assert (origin.table, lines[origin.place.line - 2 if origin.place else 0]) == layers[-1]
    over = [lines[place.line - 2] for place in origin.over]
    assert over == [header for _, header in reversed(layers[:-1])]


def test_an_environment_may_take_away_and_use_other_templates(tmp_path: Path) -> None:
    text = f"""{BASE}[templates.big]
memory = "2GB"
[environments.prod.functions.fun]
without = ["environment.REGION"]
use = ["big"]
"""
    settings = read(tmp_path, text).functions["fun"].settings
    assert (settings.environment, settings.memory_bytes >> 20) == ({"LEVEL": "info"}, 2048)


CHOSEN = [
    ("[environments.a]\n[environments.b]\n", "", ""),
    ("[environments.a]\n[environments.b]\n", "b", "b"),
    ("[environments.a]\n[environments.b]\ndefault = true\n", "", "b"),
    ("[environments.a]\n[environments.b]\ndefault = true\n", "a", "a"),
    ("", "", ""),
]


@pytest.mark.parametrize(("tables", "named", "counts"), CHOSEN)
def test_the_environment_that_counts(tmp_path: Path, tables: str, named: str, counts: str) -> None:
    assert read(tmp_path, f"{BASE}{tables}", named).environment == counts


@pytest.mark.parametrize(
    ("tables", "message", "advice"),
    [
        ("", "declares no environments", "declare [environments.prd] there"),
        ("[environments.prod]\n[environments.dev]\n", 'has no environment "prd"; did you mean "prod"?', "prod, dev"),
    ],
)
def test_an_environment_that_is_not_there_is_an_error_of_usage(
    tmp_path: Path, tables: str, message: str, advice: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, f"{BASE}{tables}", "prd")
    assert message in caught.value.message
    assert advice in caught.value.advice


# ruff: noqa: E501 - one row a line
# the text after the rest, the key, a part of the rule; `# <-` marks the line
WRONG = [
    ('[environments.prod]\ncloud = { folder_id = "b 1" } # <-\n', "environments.prod.cloud.folder_id", "without spaces"),
    ('[environments.prod.defaults]\nmemory = "1MB" # <-\n', "environments.prod.defaults.memory", "from"),
    ('[environments.prod.functions.fun]\nmemry = "1GB" # <-\n', "environments.prod.functions.fun.memry", '"memory"?'),
    ("[environments.prod]\nprotectd = true # <-\n", "environments.prod.protectd", 'did you mean "protected"?'),
    ('[environments.prod]\nprotected = "yes" # <-\n', "environments.prod.protected", "true or false"),
    ("[environments]\nprod = 3 # <-\n", "environments.prod", "must be a table"),
    (
        "[environments.prod.functions.fan] # <-\ntimeout = 3\n",
        "environments.prod.functions.fan",
        'there is no [functions.fan]; did you mean "fun"? Declare a function of this environment in [functions]',
    ),
    (
        "[environments.prod.functions.old] # <-\ntimeout = 3\n[functions.old]\nonly = ['dev']\n[environments.dev]\n",
        "environments.prod.functions.old",
        "this function does not exist in prod",
    ),
    (
        "[environments.prod.templates.wb] # <-\ntimeout = 3\n",
        "environments.prod.templates.wb",
        'there is no [templates.wb] to merge it over; did you mean "web"?',
    ),
    (
        "[environments.prod.templates.web]\nuse = ['web'] # <-\n",
        "environments.prod.templates.web.use",
        "a template cannot use templates",
    ),
    ("[environments.prod.defaults]\nonly = ['prod'] # <-\n", "environments.prod.defaults.only", "in [functions.NAME]"),
    (
        "[environments.prod]\ndefault = true\n[environments.dev]\ndefault = true # <-\n",
        "environments.dev.default",
        "[environments.prod] is already the default",
    ),
    (
        "[environments.prod]\n[functions.old]\nversion_id = 'x'\nonly = ['prod', 'prd'] # <-\n",
        "functions.old.only[1]",
        'there is no [environments.prd]; did you mean "prod"?',
    ),
    ("[environments.prod]\n[functions.old]\nversion_id = 'x'\nonly = [] # <-\n", "functions.old.only", "not be empty"),
    (
        "[environments.prod]\nlimits = { operations_per_folder = 3, reserve = 3 } # <-\n",
        "environments.prod.limits.reserve",
        "leaves no slot",
    ),
    ("[limits]\nreserve = 3 # <-\n[environments.prod]\nlimits = { operations_per_folder = 3 }\n", "limits.reserve", "no slot"),
    (
        "[environments.prod]\nrollout = { on_breach = 'rollback' } # <-\n",
        "environments.prod.rollout.on_breach",
        "needs max_failures",
    ),
    ("[environments.prod.functions.fun]\nuse = ['wb'] # <-\n", "environments.prod.functions.fun.use[0]", '"web"?'),
    ("[environments.prod.defaults]\ntmpfs_size = '8GB' # <-\n", "environments.prod.defaults.tmpfs_size", "(concerns fun)"),
    ("[environments.prod.functions.fun]\nname = 'same'\n[functions.z]\nversion_id = 'x'\nname = 'same' # <-\n", "functions.z.name", "same name in"),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "key", "rule"), WRONG, ids=[row[1] for row in WRONG])
def test_a_mistake_of_an_environment_stands_in_its_line(tmp_path: Path, tables: str, key: str, rule: str) -> None:
    text = BASE + tables
    line = next(number for number, one in enumerate(text.split("\n"), 1) if "# <-" in one)
    found = mistake(tmp_path, text)
    assert found[:2] == (line, key)
    assert rule in found[2]


@pytest.mark.parametrize("name", ["Prod", "a b", "", "all", "none", "-x"])
def test_a_name_that_no_environment_may_have(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f'{BASE}[environments."{name}"]\nprotected = true\n')
    # `--env none` chooses no environment, so a name is judged without being chosen.
    for choice in (ManifestChoice(name), ManifestChoice()):
        with pytest.raises(ManifestError):
            load(path, ENVIRON, choice)


def test_an_environment_that_is_not_chosen_stops_nothing(tmp_path: Path) -> None:
    text = f'{BASE}[environments.prod]\n[environments.dev]\ndefaults = {{ memory = "${{NOPE}}", zz = 1 }}\n'
    assert read(tmp_path, text).environment == "prod"


def test_functions_exist_only_where_they_say(tmp_path: Path) -> None:
    text = f'{BASE}[functions.old]\nversion_id = "x"\nonly = ["prod"]\n[environments.prod]\n[environments.dev]\n'
    assert list(read(tmp_path, text).functions) == ["fun", "old"]
    for environment in ("dev", ""):
        manifest = read(tmp_path, text, environment)
        assert (list(manifest.functions), manifest.elsewhere) == (["fun"], {"old": ("prod",)})
        assert list(select(manifest, ["!old"])) == ["fun"]
        with pytest.raises(UsageError) as caught:
            select(manifest, ["old"])
        assert caught.value.message == 'function "old" does not exist here: its `only` says prod'
        assert "--env prod" in caught.value.advice


def test_a_template_may_say_where_functions_exist_and_the_nearest_list_counts(tmp_path: Path) -> None:
    more = '[functions.old]\nversion_id = "x"\nuse = ["t"]\n[templates.t]\nonly = ["prod"]\n[environments.prod]\n'
    assert list(read(tmp_path, f"{BASE}{more}[environments.dev]\n", "dev").functions) == ["fun"]
    text = f"{BASE}{more}[environments.dev]\n".replace('use = ["t"]', 'use = ["t"]\nonly = ["dev"]')
    assert list(read(tmp_path, text, "dev").functions) == ["fun", "old"]


def test_a_mistake_of_a_function_that_does_not_exist_here_stops_no_run(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(
        f'{BASE}[functions.old]\nmemory = "1MB"\nonly = ["prod"]\n[environments.prod]\n[environments.dev]\n'
    )
    assert list(load_for_run(path, ENVIRON, choice=ManifestChoice("dev")).functions) == ["fun"]
    assert load_for_run(path, ENVIRON, choice=ManifestChoice("prod")).functions["old"].mistakes


def test_what_exists_in_no_environment_that_there_is_stops_the_runs_that_may_be_about_it(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(
        f'{BASE}[functions.old]\nversion_id = "x"\nonly = ["prd"]\n[environments.prod]\n[environments.dev]\n'
    )
    for environment in ("prod", "dev", ""):
        functions = load_for_run(path, ENVIRON, choice=ManifestChoice(environment)).functions
        assert 'there is no [environments.prd]; did you mean "prod"?' in functions["old"].mistakes[0].rule
        assert not functions["fun"].mistakes


def test_an_environment_s_template_of_nothing_stops_every_run(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f'{BASE}[environments.prod]\ntemplates.wb.memory = "1GB"\n[environments.dev]\n')
    with pytest.raises(ManifestError) as caught:
        load_for_run(path, ENVIRON, choice=ManifestChoice("prod"))
    (found,) = caught.value.mistakes
    assert (found.key, "there is no [templates.wb]" in found.rule) == ("environments.prod.templates.wb", True)
    assert load_for_run(path, ENVIRON, choice=ManifestChoice("dev")).functions


def test_mistakes_of_an_environment_are_those_of_the_functions_that_they_concern(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(
        f'{BASE}[functions.good]\nversion_id = "x"\n[environments.prod.functions.fun]\nmemory = "1MB"\n'
        '[environments.prod.templates.web]\ntimeout = "soon"\n'
    )
    functions = load_for_run(path, ENVIRON, choice=ManifestChoice("prod")).functions
    assert [len(functions[key].mistakes) for key in ("fun", "good")] == [2, 0]


def test_paths_of_an_environment_are_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    text = HEAD + '[functions.fun]\nsource = "."\n[environments.prod.functions.fun]\nsource = "prod"\n'
    assert str(read(tmp_path, text).functions["fun"].code.source) == str(tmp_path / "prod")  # type: ignore[union-attr]


# Tables of [environments.*] and of the functions with the same folder, and which functions are the same live ones.
SAME = {
    "nothing": ("", "", ["fun", "other"]),
    "a folder for all": ('cloud = { folder_id = "b1p" }', "", []),
    "a folder for one": ('functions = { fun = { folder_id = "b1p" } }', "", ["other"]),
    "another name": ('functions = { fun = { name = "fun-prod" } }', "", ["other"]),
    "the name of another": ('functions = { fun = { name = "other" }, other = { name = "more" } }', "", ["fun"]),
    "a folder by a variable": ('variables = { F = "b1p" }', 'defaults.folder_id = "${F:-b1d}"\n', []),
    "a folder by the process": ("", 'defaults.folder_id = "${GIVEN}"\n', []),
    "another template": ('templates = { t = { folder_id = "b1p" } }', "defaults.use = ['t']\ntemplates.t.memory = 1\n", []),
    "existence": ("", "only = ['prod']\n", ["other"]),
    "an id": ('functions = { other = { name = "more" } }', 'id = "d4e"\n', ["fun"]),
    "a mistake": ('cloud = { folder_id = "b 1" }', "", []),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_functions_of_two_environments_are_never_the_same_live_function(tmp_path: Path, kind: str) -> None:
    prod, more, same = SAME[kind]
    top, of_fun = (more, "") if more.startswith("defaults") else ("", more)
    head = top + WITH_FOLDER.replace("[defaults]", "[templates.x]\n[defaults]")
    if top:
        head = WITH_FOLDER.replace("[defaults]\n", "[defaults]\n" + top.split("defaults.", 1)[1].split("\n")[0] + "\n")
        head += "[templates.t]\nmemory = '1GB'\n" if "templates" in top else ""
    text = f'{head}{FUN}{of_fun}[functions.other]\nversion_id = "x"\n[environments.dev]\n[environments.prod]\n{prod}\n'
    path = tmp_path / "deploy.toml"
    path.write_text(text)
    looks = Looks()
    for environment in ("dev", "prod"):
        found = survey(path, {"GIVEN": "given"}, choice=ManifestChoice(environment))
        again = survey(path, {"GIVEN": "given"}, choice=ManifestChoice(environment), looks=looks)
        assert (again.mistakes, again.manifest) == (found.mistakes, found.manifest)
        reported = sorted(
            key
            for key, spec in found.manifest.functions.items()
            if any("same live functions" in m.rule for m in spec.mistakes)
        )
        if kind == "the name of another" and environment == "dev":
            same = ["other"]
        assert reported == (["fun"] if kind == "the name of another" and environment == "prod" else same), (
            found.mistakes
        )
    assert load_for_run(path, {"GIVEN": "given"}).functions["other"].mistakes == ()


@pytest.mark.parametrize("how", ["YC_FOLDER_ID", "FOLDER"])
def test_the_process_cannot_lead_into_the_functions_of_another_environment(tmp_path: Path, how: str) -> None:
    own = "" if how == "YC_FOLDER_ID" else 'cloud = { folder_id = "${FOLDER}" }\n'
    path = tmp_path / "deploy.toml"
    path.write_text(f'{HEAD}{FUN}[environments.dev]\n{own}[environments.prod]\ncloud = {{ folder_id = "b1p" }}\n')
    for folder, count in (("b1d", 0), ("b1p", 1)):
        manifest = load_for_run(path, {how: folder}, choice=ManifestChoice("dev"))
        mistakes = manifest.functions["fun"].mistakes
        assert len(mistakes) == count
        assert all("the same live functions as prod, through variables of the process" in one.rule for one in mistakes)
    assert not load_for_run(path, {how: "b1p"}, choice=ManifestChoice("prod")).functions["fun"].mistakes


@pytest.mark.parametrize("count", [2, 5])
def test_looking_at_all_environments_takes_as_many_passes_as_there_are(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each pass would merge and read all environments again."""
    passes, read = list[str](), list[str]()
    found, toml = twins._drafts, toml_files.read_toml

    def drafts(files: Sequence[CheckedFile], environment: str, names: tuple[str, ...]) -> Iterator[Draft]:
        passes.append(environment)
        return found(files, environment, names)

    def read_toml(path: str, findings: Findings) -> toml_files.SourceFile | None:
        read.append(Path(path).name)
        return toml(path, findings)

    monkeypatch.setattr(twins, "_drafts", drafts)
    monkeypatch.setattr(toml_files, "read_toml", read_toml)
    names = [f"e{number}" for number in range(count)]
    environments = "".join(f'[environments.{name}]\ncloud = {{ folder_id = "{name}" }}\n' for name in names)
    (tmp_path / "deploy.toml").write_text(f'include = ["team.toml"]\n{HEAD}{FUN}{environments}')
    (tmp_path / "team.toml").write_text('[functions.more]\nversion_id = "x"\n')
    looks = Looks()
    for name in names:
        manifest = survey_for_run(tmp_path / "deploy.toml", {}, choice=ManifestChoice(name), looks=looks).manifest
        assert manifest.of_others == {(other, key) for other in names if other != name for key in ("fun", "more")}
    assert sorted(passes) == names
    assert sorted(read) == ["deploy.toml", "team.toml"]


def test_a_file_that_cannot_be_read_is_reported_in_each_look(tmp_path: Path) -> None:
    (tmp_path / "deploy.toml").write_text(
        f'include = ["team.toml"]\n{WITH_FOLDER}{FUN}[environments.dev]\n[environments.prod]\n'
    )
    (tmp_path / "team.toml").write_text("[functions.more\n")
    looks = Looks()
    for name in ("dev", "prod"):
        found = survey(tmp_path / "deploy.toml", {}, choice=ManifestChoice(name), looks=looks)
        assert any("is not valid TOML" in one.rule for one in found.mistakes)


def test_that_functions_are_the_same_is_said_once_for_two_environments(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(f"{WITH_FOLDER}{FUN}[environments.dev]\n[environments.prod]\n")
    reported = {survey(path, {}, choice=ManifestChoice(name)).mistakes for name in ("dev", "prod")}
    ((found,),) = reported
    assert (found.line, found.key) == (11, "environments.prod")
    assert found.rule.startswith("has the same live functions as dev: set its own folder")
    assert found.rule.endswith("(concerns fun)")


def test_the_functions_of_other_environments_are_known_where_folders_are_shared(tmp_path: Path) -> None:
    text = f"""{WITH_FOLDER}{FUN}name = "fun-${{ORCHESTRATOR_ENV}}"
[functions.same]
id = "d4e"
version_id = "x"
only = ["prod"]
[environments.dev]
[environments.prod]
"""
    assert read(tmp_path, text, "dev").of_others == {("b1g", "fun-prod"), ("id", "d4e")}
    assert read(tmp_path, text, "prod").of_others == {("b1g", "fun-dev")}
    disabled = text.replace('only = ["prod"]', 'only = ["prod"]\nenabled = false')
    assert ("id", "d4e") in read(tmp_path, disabled, "dev").of_others


@pytest.mark.parametrize(
    ("prod", "of_others"),
    [
        ('cloud = { folder_id = "${PROD_FOLDER}" }', {("", "fun")}),
        ('functions.fun.name = "fun-${STAGE}"', {("b1g", "")}),
        ('cloud = { folder_id = "${PROD_FOLDER}" }\nfunctions.fun.id = "d4e"', {("id", "d4e")}),
        ('cloud = { folder_id = "${PROD_FOLDER:-b1p}" }', {("b1p", "fun")}),
    ],
)
def test_what_the_files_leave_open_of_other_environments_may_be_anything(
    tmp_path: Path, prod: str, of_others: set[tuple[str, ...]]
) -> None:
    text = f"{WITH_FOLDER}{FUN}[environments.dev]\n[environments.prod]\n{prod}\n"
    manifest = survey_for_run(write(tmp_path, text), {}, choice=ManifestChoice("dev")).manifest
    assert manifest.of_others == of_others
    assert not manifest.warnings


def test_where_a_variable_names_files_nothing_is_known_of_others_and_that_is_said(tmp_path: Path) -> None:
    head = f'include = ["teams/${{ORCHESTRATOR_ENV}}.toml"]\n{WITH_FOLDER}'
    text = f"{head}{FUN}[environments.dev]\n[environments.prod]\n"
    (tmp_path / "teams").mkdir()
    for name in ("dev", "prod"):
        (tmp_path / "teams" / f"{name}.toml").write_text(f'[functions.of-{name}]\nversion_id = "x"\n')
    manifest = survey_for_run(write(tmp_path, text), {}, choice=ManifestChoice("dev")).manifest
    assert manifest.of_others == {("", "")}
    (warning,) = manifest.warnings
    assert "deploy.toml:1: include: names files by a variable, so the functions of other environments" in warning


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "deploy.toml"
    path.write_text(text)
    return path


def test_jobs_exist_only_where_they_say(tmp_path: Path) -> None:
    job = '[jobs.nightly]\nrun = "mass_redeploy"\nenvironments = ["prod"]\nselect = ["${ONLY_IN_PROD}"]\n'
    text = f'{BASE}{job}[environments.dev]\n[environments.prod]\nvariables.ONLY_IN_PROD = "fun"\n'
    prod = read(tmp_path, text, "prod")
    assert (list(prod.jobs), prod.jobs_elsewhere) == (["nightly"], {})
    assert dict(prod.jobs["nightly"].parameters) == {"select": ("fun",)}, "which says nothing to the job"
    for environment in ("dev", ""):
        manifest = read(tmp_path, text, environment)
        assert (list(manifest.jobs), manifest.jobs_elsewhere) == ([], {"nightly": ("prod",)})
        with pytest.raises(UsageError) as caught:
            bind(manifest, "nightly", {}, datetime.now(UTC))
        assert caught.value.message == 'job "nightly" does not exist here: its `environments` are prod'
        assert "--env prod" in caught.value.advice


@pytest.mark.parametrize(
    ("written", "rule"),
    [('["prd"]', 'there is no [environments.prd]; did you mean "prod"?'), ("[]", "must not be empty")],
)
def test_a_job_names_environments_that_there_are(tmp_path: Path, written: str, rule: str) -> None:
    job = f'[jobs.nightly]\nrun = "mass_redeploy"\nenvironments = {written}\n'
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, f"{BASE}{job}[environments.prod]\n")
    assert [one.rule for one in caught.value.mistakes] == [rule]


def test_what_a_job_selects_in_another_environment_says_how_to_write_it(tmp_path: Path) -> None:
    job = '[jobs.nightly]\nrun = "mass_redeploy"\nselect = ["old"]\n'
    old = '[functions.old]\nversion_id = "x"\nonly = ["prod"]\n'
    manifest = read(tmp_path, f"{BASE}{job}{old}[environments.dev]\n[environments.prod]\n", "dev")
    bound = bind(manifest, "nightly", {}, datetime.now(UTC))
    with pytest.raises(UsageError) as caught:
        bound.job.offline(manifest, bound.given)
    assert 'where this job exists: environments = ["prod"]' in caught.value.advice


def test_the_variables_that_a_job_changes_are_no_slip_of_its_environments(tmp_path: Path) -> None:
    job = '[jobs.loud]\nrun = "mass_redeploy"\nenvironment = { LEVEL = "loud" }\n'
    assert read(tmp_path, f"{BASE}{job}[environments.prod]\n").warnings == ()
