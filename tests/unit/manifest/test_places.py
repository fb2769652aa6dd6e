"""The places of mistakes: several at once, defaults, included files, unreadable files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import ManifestError
from orchestrator.manifest.load import load
from tests.unit.manifest.test_tables import FUNCTION, HEAD, mistakes


def test_all_mistakes_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = FUNCTION + 'memory = "1MB"\ntags = ["A", "b", "b"]\nzz = 1\n[rollout]\nwaves = [0, 1, "x"]\n'
    found = mistakes(tmp_path, text)
    assert [(mistake.line - 9, mistake.key) for mistake in found] == [
        (1, "functions.fun.memory"),
        (2, "functions.fun.tags[0]"),
        (3, "functions.fun.zz"),
        (5, "rollout.waves[0]"),
        (5, "rollout.waves[2]"),
    ]


def test_a_wrong_default_is_reported_once_where_it_stands(tmp_path: Path) -> None:
    functions = "".join(f'[functions.fun-{i}]\nversion_id = "x"\n' for i in range(5))
    found = mistakes(tmp_path, HEAD + 'memory2 = "x"\ntags = ["B"]\n' + functions)
    assert [(mistake.line, mistake.key) for mistake in found] == [(8, "defaults.memory2"), (9, "defaults.tags[0]")]


def test_a_default_that_does_not_fit_is_reported_once_with_the_functions_it_concerns(tmp_path: Path) -> None:
    functions = "".join(f'[functions.fun-{i}]\nversion_id = "x"\n' for i in range(5))
    (found,) = mistakes(tmp_path, HEAD + 'tmpfs_size = "8GB"\n' + functions)
    assert (found.line, found.key) == (8, "defaults.tmpfs_size")
    assert found.rule.endswith("(concerns fun-0, fun-1, fun-2 and 2 more)")


def test_a_wrong_value_is_not_said_to_be_missing_too(tmp_path: Path) -> None:
    text = FUNCTION.replace('"1GB"', '"1MB"').replace('"b1g"', '"b 1"')
    assert [mistake.key for mistake in mistakes(tmp_path, text)] == ["cloud.folder_id", "defaults.memory"]


def test_a_function_in_two_files_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text('\n[functions.fun]\nversion_id = "x"\n')
    (found,) = mistakes(tmp_path, 'include = ["team.toml"]\n' + FUNCTION)
    assert (Path(found.file).name, found.line, found.key) == ("team.toml", 2, "functions.fun")
    assert found.rule.endswith("deploy.toml:9")


def test_an_included_file_holds_what_is_of_its_functions(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text('[limits]\nreserve = "bad"\n')
    (found,) = mistakes(tmp_path, 'include = ["*.toml"]\n' + FUNCTION)
    assert (Path(found.file).name, found.line, found.key) == ("team.toml", 1, "limits")
    assert "belongs in the main file; an included one may contain include, folder_id, variables, defaults" in found.rule


def test_mistakes_of_included_files_name_their_own_lines(tmp_path: Path) -> None:
    (tmp_path / "team.toml").write_text('[functions.more]\nversion_id = "x"\nmemory = "1MB"\n')
    (found,) = mistakes(tmp_path, 'include = ["*.toml"]\n' + FUNCTION)
    assert (Path(found.file).name, found.line, found.key) == ("team.toml", 3, "functions.more.memory")


def test_files_are_named_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "deploy.toml").write_text("x = 1")
    with pytest.raises(ManifestError) as caught:
        load(Path("in/deploy.toml"), {})
    assert str(caught.value.mistakes[0]).startswith("in/deploy.toml:1: x: unknown key")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "deploy.toml", {})
    assert "no such file" in caught.value.mistakes[0].rule


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, {})
    assert "is a folder" in caught.value.mistakes[0].rule


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "file" / "deploy.toml", {})
    assert "cannot be read: " in caught.value.mistakes[0].rule


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "[cloud]\n# ключ\n".encode("cp1251"))
    assert (found.line, found.key) == (2, "")
    assert "is not UTF-8" in found.rule


def test_no_value_of_a_variable_is_repeated(tmp_path: Path) -> None:
    text = FUNCTION + 'environment = { TOKEN = "${TOKEN}${TOKEN}" }\n'
    found = mistakes(tmp_path, text, {"TOKEN": "t1.secret" * 300})
    assert "t1.secret" not in str(found)


KEYS = st.sampled_from(
    ["functions", "defaults", "jobs", "fun", "memory", "source", "include", "log", "secrets", '"a b"']
)
VALUES = st.sampled_from(
    [
        '"x"',
        "1",
        "[]",
        "{}",
        "true",
        "1.5",
        "2027-03-01",
        '[{a = "${A}"}]',
        '{ "b" = [1] }',
        '"${"',
        '"1GB"',
        "nan",
        '"\\u0000"',
    ]
)
LINES = st.one_of(
    st.builds("[{}]".format, st.lists(KEYS, min_size=1, max_size=3).map(".".join)),
    st.builds("[[{}]]".format, st.lists(KEYS, min_size=1, max_size=2).map(".".join)),
    st.builds("{} = {}".format, st.lists(KEYS, min_size=1, max_size=3).map(".".join), VALUES),
    st.text(max_size=20),
)


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(), st.lists(LINES, max_size=12).map("\n".join)))
def test_no_text_makes_load_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        load(path, {})
    except ManifestError as error:
        assert error.mistakes  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("teams/*.toml", '"teams/*.toml" matches no file; "teams" has a/, b.tml; correct or remove it'),
        ("teams/**/f*.toml", '"teams/**/f*.toml" matches no file; "teams" has a/, b.tml; correct or remove it'),
        ("team/*.toml", '"team/*.toml" matches no file; did you mean "teams"?'),
        ("teams/a/*.toml", '"teams/a/*.toml" matches no file; "teams/a" is empty; correct or remove it'),
        ("teams/b.toml", 'no such file: "teams/b.toml"; did you mean "teams/b.tml"?'),
        ("zzz/*", '"zzz/*" matches no file; this file\'s folder has deploy.toml, teams/; correct or remove it'),
    ],
)
def test_an_include_that_finds_nothing_says_what_is_there_instead(tmp_path: Path, pattern: str, rule: str) -> None:
    (tmp_path / "teams" / "a").mkdir(parents=True)
    (tmp_path / "teams" / "b.tml").touch()
    (found,) = mistakes(tmp_path, f'include = ["{pattern}"]\n{FUNCTION}')
    assert (Path(found.file).name, found.line, found.key, found.rule) == ("deploy.toml", 1, "include[0]", rule)
