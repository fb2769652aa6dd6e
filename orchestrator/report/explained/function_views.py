"""What commands return about single functions and their parts: see `report.views`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model import Tree
from orchestrator.package.archive import PackedFile
from orchestrator.package.detect.finding import FoundFunction
from orchestrator.planning.packed_files import PackageDifference
from orchestrator.planning.resolved import ResolvedFunction


@dataclass(frozen=True, slots=True)
class ResolvedView:
    """The resolved settings of functions. `verbose`: show people the replaced values too. `environment`: the one that
    the settings are of, "" where none was chosen.
    """

    functions: tuple[ResolvedFunction, ...]
    warnings: tuple[str, ...] = ()  # people have already seen them
    verbose: bool = False
    environment: str = ""

    def words(self) -> Iterator[str | None]:
        """Yield the words that are not secrets."""
        yield from (word for one in self.functions for word in (one.key, one.name, one.folder_id))


@dataclass(frozen=True, slots=True)
class InitView:
    """A first manifest with these functions. `folder_id`, `bucket`: "" where it has none; `mistakes`: what is wrong
    with it.
    """

    config: Path
    functions: tuple[FoundFunction, ...]
    folder_id: str = ""
    bucket: str = ""
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenZip:
    """A zip on this machine. `sha256`: of the zip, in hex."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PackageView:
    """What the package of a function would contain. `left_out`: paths, each with the rule that excludes it; `zip`:
    where it was written; `difference`: from the live package, shown instead of the files.
    """

    function: str
    files: tuple[PackedFile, ...]
    left_out: Mapping[str, str]
    tree: Tree
    zip: WrittenZip | None = None
    difference: PackageDifference | None = None
    verbose: bool = False
    environment: str = ""
