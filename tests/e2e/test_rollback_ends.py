"""How a `rollback` that somebody types ends where it does not go as wished, and what is said then."""

from __future__ import annotations

import pytest

from tests.e2e.harness import Cloud, Project, run


@pytest.mark.parametrize("way", [(), ("--since", "1h"), ("f000", "--to", "d4e0")], ids=["run", "since", "to"])
def test_lossy_of_no_function_is_refused(cloud: Cloud, project: Project, way: tuple[str, ...]) -> None:
    project.write(2)
    assert run(project.root, "deploy", "--yes", environ=cloud.environ()).code == 0
    end = run(project.root, "rollback", *way, "--lossy", "f001,f0001", "--yes", environ=cloud.environ())
    assert end.code == 2
    assert '--lossy f0001: there is no function f0001; did you mean "f00' in end.err
