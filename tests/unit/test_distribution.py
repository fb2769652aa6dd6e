"""The release: every file that the program reads is in the wheel, and one place has the version.

`make dist` builds wheel and source distribution and compares them with git, file by file (`.ci/contents`). The rules
here are those that a change is most likely to break, without a build.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import tomllib
from pathlib import Path

from click.testing import CliRunner

import orchestrator
from orchestrator.cli import cli

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "orchestrator"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
NO_DATA = (".py", ".pyc")


def data_files() -> set[Path]:
    return {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in NO_DATA}


def taken() -> dict[str, set[Path]]:
    """Return the files that each pattern of package-data takes, relative to the package's folder; "/" is not part of
    "*".
    """
    return {
        f"{package}: {pattern}": set((ROOT / package.replace(".", "/")).glob(pattern))
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
    }


def test_every_file_beside_the_modules_is_shipped() -> None:
    found = data_files()
    assert {path.suffix for path in found} >= {".js", ".css", ".cjs", ".html", ".typed"}
    licences = {ROOT / name for name in PYPROJECT["project"]["license-files"]}  # they are with the wheel's metadata
    lost = sorted(str(path.relative_to(ROOT)) for path in found - licences - set().union(*taken().values()))
    assert lost == [], "files that no pattern of [tool.setuptools.package-data] takes"


def test_every_pattern_of_data_takes_a_file() -> None:
    assert [pattern for pattern, files in taken().items() if not files] == []


def test_tests_docs_and_examples_are_in_no_package() -> None:
    assert {name.partition(".")[0] for name in SETUPTOOLS["packages"]} == {"orchestrator"}
    assert SETUPTOOLS["package-dir"] == {"orchestrator.jobs": "jobs"}
    assert SETUPTOOLS["include-package-data"] is False


def test_one_place_says_the_version() -> None:
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert SETUPTOOLS["dynamic"]["version"] == {"attr": "orchestrator.__version__"}
    spelled = [
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*.py")
        if f'"{orchestrator.__version__}"' in path.read_text("utf-8")
    ]
    assert spelled == ["orchestrator/__init__.py"]


def test_the_command_and_the_installed_distribution_have_that_version() -> None:
    printed = CliRunner().invoke(cli, ["--version"]).output
    assert printed == f"orchestrator, version {orchestrator.__version__}\n"
    assert importlib.metadata.version("orchestrator") == orchestrator.__version__, "install it again"


def test_pages_for_users_have_that_version() -> None:
    named = re.compile(r"orchestrator-([\d.]+\d)-py3|VERSION=([\d.]+\d)|This is version ([\d.]+\d)")
    for page, count in (("README.md", 1), ("docs/install.md", 6)):
        found = [next(filter(None, one)) for one in named.findall((ROOT / page).read_text("utf-8"))]
        assert found == [orchestrator.__version__] * count, page


def test_requests_and_records_have_that_version_too() -> None:
    """Each `version=` of a transport, which becomes the User-Agent, and each `program=` that is stored."""
    others, found = [], 0
    for path in sorted((PACKAGE / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if keyword.arg == "program" or (keyword.arg == "version" and called in ("connect", "open_transport")):
                    found += 1
                    if ast.unparse(keyword.value) != "__version__":
                        others.append(f"{path.relative_to(ROOT)}:{keyword.value.lineno}")
    assert others == []
    assert found >= 4
