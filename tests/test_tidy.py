"""The style guide as a test: import rings, sizes, banned calls, documented commands."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "orchestrator"
MODULE_MAX_LINES = 300
FUNCTION_MAX_LINES = 60
SIBLINGS_MAX = 20

# Rings, the lowest first. A room imports only from rings below its own; rooms of one ring do not import each other.
RINGS = [
    {"errors"},
    {"model"},
    {"version"},
    {"function"},
    {"manifest", "journal"},
    {"redaction"},
    {"ports"},
    {"resilience"},
    {"planning"},
    {"engine"},
    {"coordination", "job", "commands"},
    {"cloud", "sandbox", "package"},
    {"prediction"},
    {"report"},
    {"ui"},
    {"app"},
    {"cli_options", "completion"},
    {"verbs"},
    {"cli"},
    {"__main__"},
]
LOOSE_MAX = 6
SMALL_LINES = 40
# Modules that no module imports, and why they exist.
UNIMPORTED = {
    "sandbox/memory/invocations.py": "a port that verification is tested on",
}
# Small modules with one importer, and why they are separate.
SMALL = {
    "app/commands/": "one file for each command, however small",
    "function/": "a room of its own, with a table that grows",
    "report/account/document.py": "of one view alone: what it knows is loaded by no other command",
}
# Public names in two rooms, and why.
SAME_NAMES = {
    "copy_of": "jobs know it for a function of theirs; the body that copies a Version is beside the other bodies",
}
LATER = {"prediction", "report", "ui", "app"}
# Third-party libraries, and the rooms that may import them.
LIBRARIES = {
    "aiohttp": {"cloud", "sandbox", "ui"},
    "boto3": {"cloud"},
    "botocore": {"cloud", "sandbox"},
    "anyio": {"resilience", "planning", "engine", "coordination", "commands"} | {"cloud", "sandbox", "package"} | LATER,
    "structlog": {"engine", "job", "cloud", "report", "app"},
    "pydantic": {"manifest"},
    "sqlite3": {"journal", "sandbox"},
    "click": {"cli", "cli_options", "completion", "verbs"},
    "rich": {"report"},
    "jwt": {"cloud", "sandbox"},
    "cronsim": {"manifest"},
    "opentelemetry": {"report"},
    "requests": {"report"},  # the library of the OTLP exporter
    "httpx": set[str](),
}
ADAPTERS = {"cloud", "coordination", "sandbox", "package", "journal", "report", "ui", "app", "cli"}
# call → (rooms that may use it, what to do elsewhere)
BANNED = {
    "time.time": (ADAPTERS, "take a Clock"),
    "time.sleep": (set[str](), "anyio.sleep"),
    "datetime.now": (ADAPTERS, "take a Clock"),
    "datetime.utcnow": (set[str](), "datetime.now(UTC)"),
    "random.random": (set[str](), "take a random.Random"),
    "random.uniform": (set[str](), "take a random.Random"),
    "asyncio.create_task": (set[str](), "an anyio task group"),
    "asyncio.gather": (set[str](), "an anyio task group"),
    "asyncio.sleep": (set[str](), "anyio.sleep"),
    "print": (set[str](), "click.echo in cli"),
}


def room(path: Path) -> str:
    """Return the top-level module or folder that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def ring(name: str) -> int:
    return next(number for number, rooms in enumerate(RINGS) if name in rooms)


SOURCES = sorted(PACKAGE.rglob("*.py"))
FRONT_END = sorted(
    path for kind in ("js", "css", "cjs") for path in PACKAGE.rglob(f"*.{kind}") if "uplot" not in path.parts
)
JOBS = sorted((ROOT / "jobs").glob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@cache
def text_of(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a file, walked once for all checks."""
    return tuple(ast.walk(tree_of(path)))


@cache
def calls_of(path: Path) -> tuple[tuple[int, str], ...]:
    """Return the line and the callee, as in `time.sleep`, of every call of a plain or dotted name."""
    calls = (node for node in nodes_of(path) if isinstance(node, ast.Call))
    return tuple((node.lineno, name) for node in calls if (name := dotted(node.func)))


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


@cache
def definitions_of(path: Path) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, ...]:
    """Return every function and class of a file at any depth. Expressions, most of a tree, are not entered."""
    found, left = [], list[ast.AST](tree_of(path).body)
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node)
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            if isinstance(inner := getattr(node, name, None), list):
                left.extend(inner)
    return tuple(found)


def imports_of(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module == "orchestrator":
                yield from (f"orchestrator.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def test_every_module_belongs_to_a_ring() -> None:
    known = set().union(*RINGS) | {"__init__"}
    assert {room(path) for path in SOURCES} <= known


def test_modules_import_only_lower_rings() -> None:
    wrong = []
    for path in SOURCES:
        here = room(path)
        if here == "__init__":
            continue
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] != "orchestrator" or len(parts) < 2 or parts[1] in (here, "__version__"):
                continue
            there = parts[1]
            if ring(there) >= ring(here):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def module(path: Path) -> str:
    """Return a file's name as in imports; a folder's `__init__` is the folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_imports_itself_in_a_circle() -> None:
    """Also within a room, and also through imports inside functions."""
    modules = {module(path): path for path in SOURCES}
    graph = {
        name: {
            found
            for target in imported(path)
            if (found := target if target in modules else target.rpartition(".")[0]) in modules and found != name
        }
        for name, path in modules.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports go round: {' → '.join(error.args[1])}")


def imported(path: Path) -> Iterator[str]:
    """Yield every name that a file imports, in full: the module, or the module and what is taken from it."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_jobs_import_the_public_face_alone() -> None:
    wrong = [
        f"{path.name} imports {name}"
        for path in [*JOBS, *sorted((ROOT / "examples" / "own_job").rglob("*.py"))]
        for name in imports_of(path)
        if name.startswith("orchestrator") and name not in ("orchestrator.job", "orchestrator.job.mass")
    ]
    assert wrong == []


def test_every_module_is_imported() -> None:
    used = {name for path in SOURCES + JOBS for name in imported(path)}
    used |= {name.rpartition(".")[0] for name in used}
    unused = {
        path.relative_to(PACKAGE).as_posix()
        for path in SOURCES
        if path.name not in ("__init__.py", "__main__.py") and module(path) not in used
    }
    assert unused == set(UNIMPORTED), "modules that nobody imports: delete them, or say why in UNIMPORTED"


def test_small_modules_have_more_than_one_importer() -> None:
    importers = {module(path): set[str]() for path in SOURCES}
    for path in SOURCES + JOBS:
        for name in imported(path):
            found = name if name in importers else name.rpartition(".")[0]
            if found in importers:
                importers[found].add(module(path))
    small = [
        f"{path.relative_to(ROOT)} has {count} lines and one importer; make them one module, or say why in SMALL"
        for path in SOURCES
        if path.name != "__init__.py"
        and (count := len(text_of(path).splitlines())) < SMALL_LINES
        and len(importers[module(path)] - {module(path)}) == 1
        and not path.relative_to(PACKAGE).as_posix().startswith(tuple(SMALL))
    ]
    assert small == []


def test_few_modules_are_outside_a_room() -> None:
    loose = sorted(path.name for path in PACKAGE.glob("*.py"))
    assert len(loose) <= LOOSE_MAX, f"{len(loose)} modules at the root of orchestrator/; put one into a room: {loose}"


def test_public_names_belong_to_one_room() -> None:
    rooms = dict[str, set[str]]()
    for path in SOURCES:
        for node in tree_of(path).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith(
                "_"
            ):
                rooms.setdefault(node.name, set()).add(room(path))
    twice = {name: sorted(found) for name, found in rooms.items() if len(found) > 1}
    unmeant = {name: found for name, found in twice.items() if name not in SAME_NAMES}
    assert unmeant == {}, "public names in two rooms: rename one, or say why in SAME_NAMES"
    assert set(SAME_NAMES) <= set(twice), "SAME_NAMES lists names that are no longer in two rooms"


API_SPELLING = re.compile(r"[a-z]+[A-Z]\w*|\w+Metadata|type\.googleapis\.com/.*|.*\.v1\.\w+")


def test_the_engine_spells_nothing_as_the_api_does() -> None:
    found = []
    for path in SOURCES:
        if room(path) != "engine":
            continue
        docstrings = {
            id(body[0].value)
            for body in (getattr(node, "body", None) for node in [tree_of(path), *definitions_of(path)])
            if body and isinstance(body[0], ast.Expr)
        }
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r} belongs to version/, function/ or cloud/"
            for node in nodes_of(path)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
            if API_SPELLING.fullmatch(node.value)
        ]
    assert found == []


def test_libraries_stay_in_their_rooms() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        for name in imports_of(path)
        if (rooms := LIBRARIES.get(name.split(".", maxsplit=1)[0])) is not None and room(path) not in rooms
    ]
    assert wrong == []


def test_modules_keep_to_their_ceiling() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path in SOURCES + JOBS + FRONT_END
        if (count := len(text_of(path).splitlines())) > MODULE_MAX_LINES
    ]
    assert long == []


def test_functions_keep_to_their_ceiling() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines"
        for path in SOURCES + JOBS + TESTS
        for node in definitions_of(path)
        if not isinstance(node, ast.ClassDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_MAX_LINES
    ]
    assert long == []


def test_no_folder_grows_past_its_siblings() -> None:
    folders = {path.parent for path in SOURCES}
    crowded = {str(folder): n for folder in folders if (n := len(list(folder.glob("*.py")))) > SIBLINGS_MAX}
    assert crowded == {}


@pytest.mark.parametrize("banned", BANNED)
def test_banned_calls(banned: str) -> None:
    rooms, instead = BANNED[banned]
    found = [
        f"{path.relative_to(ROOT)}:{line}: {banned}; instead: {instead}"
        for path in SOURCES + JOBS
        if room_of(path) not in rooms
        for line, called in calls_of(path)
        if called == banned
    ]
    assert found == []


# What writes to people or programs, and the modules that may use it: everything else goes through these.
WAYS_OUT = {
    # There: --events -, terminal detection, output of users' handlers in the sandbox, shell completion.
    "sys.stdout": {
        "cli.py",  # compared, not written
        "report/streams.py",
        "report/display/displays.py",
        "sandbox/processes/python_runner.py",
        "completion/shells.py",
    },
    "sys.stderr": {
        "report/streams.py",
        "report/messages.py",
        "report/ci/output.py",
        "report/display/displays.py",
        "sandbox/processes/python_runner.py",
    },
    "sys.__stdout__": set[str](),
    "sys.__stderr__": set[str](),
    "click.echo": {"cli.py"},  # there: compared with what failed
    "click.secho": set[str](),
    "os.write": {"app/session/invocation.py"},  # there: signal numbers, to the event loop
    "Safe": {"redaction/outlet.py", "redaction/safe.py", "redaction/ci_commands.py"},
    "structlog.configure": {"report/logs.py"},
    "logging.basicConfig": set[str](),
    "logging.StreamHandler": set[str](),
    "traceback.print_exc": set[str](),
    "warnings.warn": set[str](),
    "faulthandler.enable": set[str](),
}
# Rooms that write their own JSON: to the cloud, in its sandbox, the journal, records, hashes.
JSON_ROOMS = {"cloud", "sandbox", "journal", "coordination", "version", "manifest", "redaction"}
JSON_ELSEWHERE = {
    "app/commands/schema.py": "the schema of deploy.toml, which holds nothing foreign",
    "function/verification.py": "the event that a function is called with",
    "planning/saved/seal.py": "what marks and seals are taken of, which nobody sees",
    "package/build.py": "a cache of builds in the state folder: hashes",
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_text_goes_one_way_out(way: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {way}; let `Messages` say it, or an `Outlet` make it safe"
        for path in SOURCES
        if path.relative_to(PACKAGE).as_posix() not in WAYS_OUT[way]
        for node in nodes_of(path)
        if (isinstance(node, ast.Attribute) and dotted(node) == way)
        or (isinstance(node, ast.Call) and dotted(node.func) == way)
    ]
    assert found == []


def test_json_for_people_and_programs_is_made_by_the_outlet() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {called}; instead: Outlet.json"
        for path in SOURCES
        if room(path) not in JSON_ROOMS and path.relative_to(PACKAGE).as_posix() not in JSON_ELSEWHERE
        for line, called in calls_of(path)
        if called in ("orjson.dumps", "json.dumps", "json.dump", "dumps")
    ]
    assert found == []


def room_of(path: Path) -> str:
    return room(path) if path.is_relative_to(PACKAGE) else "jobs"


@cache
def in_git() -> dict[str, str]:
    """Return the mode of every file in git, by its path. Skips without git."""
    try:
        listed = subprocess.run(["git", "ls-files", "-s", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git here")
    rows = (row.partition("\t") for row in listed.stdout.split("\0") if row)
    return {path: mode.split()[0] for mode, _, path in rows}


def test_no_link_is_in_the_tree() -> None:
    links = [path for path, mode in in_git().items() if mode == "120000"]
    assert links == [], "links in the tree break on other machines: git rm them, and ignore them"


# A path in prose, a folder in backticks, a Markdown link.
PROSE_PATH = re.compile(r"(?<![\w/.:{}~<*-])((?:[\w.-]+/)*[\w-]+\.(?:py|md))\b(?!\()")
PROSE_FOLDER = re.compile(r"`([a-z]\w*(?:/\w+)*)/`")
MARKDOWN_LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMENT = re.compile(r"(?m)(?:^\s*|  )# .*$")
# Paths in prose that are examples of a user's files, or of the API's own documents.
EXAMPLES = {
    "jobs/NAME.py",
    "common/util.py",
    "createVersion.md",
    "cart/index.py",
    "catalog/index.py",
    "checkout/index.py",
    "packages",
    "other/b.py",
    "util.py",
    "-old.py",
    "notes.md",
    "plan.md",
}


def prose_of(path: Path) -> str:
    """Return the whole of a document, or the docstrings and comments of a module."""
    if path.suffix == ".md":
        return text_of(path)
    docs = [ast.get_docstring(node, clean=False) or "" for node in (tree_of(path), *definitions_of(path))]
    return "\n".join([*docs, *COMMENT.findall(text_of(path))])


def documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def test_files_that_the_text_speaks_of_exist() -> None:
    """Named by the whole path, or by its end, as in `version/fields.py`."""
    others = [*documents(), *(ROOT / "examples").rglob("*.py"), *(ROOT / "tests").rglob("*.md")]
    known = {f"/{path.relative_to(ROOT).as_posix()}" for path in SOURCES + JOBS + TESTS + others}
    ends = {path[at:] for path in known for at in range(len(path)) if path[at] == "/"}
    folders = {end[:at] for end in ends for at in range(1, len(end)) if end[at] == "/"}
    lost = []
    for path in [*documents(), *SOURCES, *JOBS, *TESTS]:
        prose = prose_of(path)
        files = set(PROSE_PATH.findall(prose)) - EXAMPLES
        lost += [f"{path.relative_to(ROOT)} speaks of {name}" for name in sorted(files) if f"/{name}" not in ends]
        rooms = set(PROSE_FOLDER.findall(prose)) - EXAMPLES
        lost += [f"{path.relative_to(ROOT)} speaks of {name}/" for name in sorted(rooms) if f"/{name}" not in folders]
    assert lost == [], "files that do not exist: change the text, or list an example in EXAMPLES"


def anchors_of(path: Path) -> set[str]:
    """Return the anchors that a Markdown reader creates for a document's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", text_of(path))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_in_documents_lead_somewhere() -> None:
    lost = []
    for path in documents():
        for link in MARKDOWN_LINK.findall(text_of(path)):
            if "://" in link:
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name) if name else path
            if not target.exists() or (anchor and anchor not in anchors_of(target)):
                lost.append(f"{path.relative_to(ROOT)} links to {link}")
    assert lost == [], "links to files or sections that do not exist"


def test_no_note_to_self_is_left() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [str(path) for path in SOURCES + JOBS if marks.search(text_of(path))]
    assert found == []


def test_every_public_name_says_what_it_promises() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in SOURCES + JOBS
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_room_is_shipped() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    rooms = {".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES}
    assert set(declared) == rooms | {"orchestrator.jobs"}


def test_every_command_and_option_is_documented() -> None:
    import click

    from orchestrator.cli import cli

    reference = (ROOT / "docs" / "cli.md").read_text("utf-8")
    for name, command in cli.commands.items():
        assert f"orchestrator {name}" in reference, f"docs/cli.md has no {name}: run `python -m tests.pages`"
        assert command.help, f"{name} has no help"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts} has no help"


def test_every_choice_of_an_option_can_be_typed() -> None:
    """Members of an Enum are typed by their names in some versions of click, and by their values in others."""
    import click

    from orchestrator.cli import cli

    choices = [
        (f"{name} {parameter.name}", choice, parameter)
        for name, command in cli.commands.items()
        for parameter in command.params
        if isinstance(parameter.type, click.Choice)
        for choice in parameter.type.choices
    ]
    assert len(choices) > 20
    assert [(place, choice) for place, choice, _ in choices if type(choice) is not str] == []
    assert [place for place, choice, parameter in choices if parameter.type(choice, parameter) != choice] == []


def test_the_changelog_keeps_its_form() -> None:
    """As keepachangelog.com says: the newest version first, and under each the kinds of changes."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"(?m)^## (.*)$", text)
    assert versions[0] == "Unreleased"
    assert [one for one in versions[1:] if not re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", one)] == []
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for part in re.split(r"(?m)^## .*$", text)[1:]:
        found = re.findall(r"(?m)^### (.*)$", part)
        assert found == [kind for kind in kinds if kind in found]
    assert "### Added" in text
