from __future__ import annotations

import pytest

from orchestrator.planning.entrypoint import missing_entry

FOUND = [
    ("python312", "index.handler", ("index.py",)),
    ("python312", "index.handler", ("index/__init__.py",)),
    ("python312", "pkg/mod.handler", ("pkg/mod.py",)),
    ("python312", "pkg.mod.handler", ("pkg/mod.py",)),
    ("python312", "./index.handler", ("index.py",)),
    ("python312", "index.handler", ("index.pyc",)),
    ("python311", "index.handler", ("index.cpython-311-x86_64-linux-gnu.so",)),
    ("bash-2204", "handler.sh", ("handler.sh",)),
    ("bash", "./bin/run", ("bin/run",)),
    ("nodejs22", "index.handler", ("index.js",)),
    ("nodejs22", "index.handler", ("index.mjs",)),
    ("nodejs22", "index.handler", ("index.cjs",)),
    ("nodejs22", "index.handler", ("index.ts",)),
    ("nodejs22", "dist/index.handler", ("dist/index.js",)),
    ("nodejs22", "dist/index.handler", ("src/index.ts", "tsconfig.json")),  # the cloud compiles it
    ("nodejs22", "src.handler", ("src/index.js",)),
    ("golang123", "index.Handler", ("index.go", "go.mod")),
    ("golang123", "main.Handler", ("handler.go", "go.mod")),  # the package's name, not a file's
    ("php82", "index.handler", ("index.php",)),
    ("php82", "handler", ("other.php",)),  # not in a form that can be checked
    ("java21", "com.example.Handler", ("pom.xml",)),
    ("kotlin20", "Handler", ("Handler.kt",)),
    ("dotnet8", "Function.Handler", ("Function.csproj",)),
    ("r43", "handler.handler", ("other.R",)),
    ("rust1", "index.handler", ()),
]
MISSING = [
    ("python312", "index.handler", ("main.py",), "error", "index.py or index/__init__.py"),
    ("python312", "pkg.mod.handler", ("pkg/other.py",), "error", "pkg/mod.py or pkg/mod/__init__.py"),
    ("python312", "index", ("index.py",), "error", "names no function: write it as file.function"),
    ("python312", "index.", ("index.py",), "error", "names no function"),
    ("python312", ".handler", ("index.py",), "error", "names no function"),
    ("python312", "index.handler", ("src/index.py",), "error", 'did you mean "src.index.handler"?'),
    ("python312", "indx.handler", ("index.py",), "error", 'did you mean "index.handler"?'),
    ("python312", "Index.handler", ("index.py",), "error", 'did you mean "index.handler"?'),
    ("python312", "index.handler", ("src/index/__init__.py",), "error", 'did you mean "src.index.handler"?'),
    ("bash-2204", "handler.sh", ("bin/handler.sh",), "error", 'did you mean "bin/handler.sh"?'),
    ("bash", "handler", ("handler.sh",), "error", 'did you mean "handler.sh"?'),
    ("nodejs22", "index.handler", ("src/index.js",), "error", 'did you mean "src/index.handler"?'),
    ("nodejs22", "dist/index.handler", ("src/index.ts",), "error", "no dist/index.js or dist/index.mjs"),
    ("nodejs22", "a.handler", ("index.js", "lib/package.json"), "error", "no a.js or"),
    ("nodejs22", "a.handler", ("index.js", "package.json"), "warning", "because package.json may make it in the cloud"),
    ("nodejs22", "a.handler", ("b.ts", "tsconfig.json"), "warning", "because tsconfig.json may make it in the cloud"),
    (
        "golang123",
        "index.Handler",
        ("handler.go",),
        "warning",
        "no index.go; not an error, because a Go package may be",
    ),
    ("golang123", "main.Handler", ("go.mod",), "error", "the package has no main.go"),
    ("php82", "index.handler", ("public/index.php",), "error", 'did you mean "public/index.handler"?'),
    ("php82", "index.handler", ("composer.json",), "warning", "because composer.json may make it in the cloud"),
]


@pytest.mark.parametrize(("runtime", "entrypoint", "paths"), FOUND)
def test_nothing_is_said_of_an_entry_that_is_there_or_cannot_be_judged(
    runtime: str, entrypoint: str, paths: tuple[str, ...]
) -> None:
    assert missing_entry(runtime, entrypoint, paths) is None


@pytest.mark.parametrize(("runtime", "entrypoint", "paths", "severity", "part"), MISSING)
def test_a_missing_entry_is_reported(
    runtime: str, entrypoint: str, paths: tuple[str, ...], severity: str, part: str
) -> None:
    found = missing_entry(runtime, entrypoint, paths)
    assert found is not None
    assert found[0] == severity
    assert f'"{entrypoint}"' in found[1]
    assert part in found[1]
    assert (severity == "error") != ("not an error" in found[1])
    assert sum(words in found[1] for words in ("did you mean", "write it as", "correct `entrypoint`")) <= 1
    assert severity == "warning" or any(
        words in found[1] for words in ("did you mean", "write it as", "correct `entry")
    )


def test_nothing_is_suggested_where_nothing_is_close() -> None:
    found = missing_entry("python312", "index.handler", ("zebra.py",))
    said = 'entrypoint "index.handler": the package has no index.py or index/__init__.py; correct `entrypoint`, or see'
    assert found == ("error", f"{said} what the package has: `orchestrator package NAME`")
