"""What of a manifest's functions cannot be deployed, as far as the disk alone tells: no cloud is asked, no build runs.

| of a function                                               | whose source no build makes | that has a build |
| ---                                                         | ---                         | ---              |
| patterns that can match nothing                             | told                        | told             |
| an entry point that names no function, too long a description | told                      | told             |
| files that are missing, forbidden, too large; what `include` names; the entry point's file | told | after its build |
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import Mistake, PackageError
from orchestrator.manifest.findings import together
from orchestrator.model import FunctionSpec, Manifest, SourceCode, Tree
from orchestrator.package import archive
from orchestrator.package.digests import NOTHING_KNOWN, Digests
from orchestrator.package.entry import ZIPPED_MAX_BYTES
from orchestrator.package.ignore_rules import parse
from orchestrator.package.project import Surroundings, absolute_path
from orchestrator.planning.entrypoint import missing_entry, misspelled_entry
from orchestrator.planning.foresee import may_exceed
from orchestrator.version.body import INLINE_MAX_BYTES, too_large
from orchestrator.version.stamp import no_room

# (whether it is a mistake, else a warning; a sentence)
Finding = tuple[bool, str]


def look(manifest: Manifest, state_dir: Path, digests: Digests = NOTHING_KNOWN) -> tuple[list[Mistake], list[str]]:
    """Find what a plan would refuse, and what it would warn of, each thing once with the functions that it concerns.
    `digests`: what is known of the contents of files.

    Functions with mistakes in their tables are left out: those are told already.
    """
    around = Surroundings.of(manifest.path.parent, (*manifest.files, state_dir), digests)
    inline = manifest.storage.bucket is None
    read: dict[SourceCode, Tree | Finding] = {}
    concerned: dict[Finding, list[FunctionSpec]] = {}
    for spec in manifest.functions.values():
        if not spec.mistakes:
            for finding in dict.fromkeys(_of(spec, around, read, inline=inline)):
                concerned.setdefault(finding, []).append(spec)
    mistakes = [mistake for (fatal, rule), specs in concerned.items() if fatal for mistake in _placed(rule, specs)]
    warnings = [mistake for (fatal, rule), specs in concerned.items() if not fatal for mistake in _placed(rule, specs)]
    return list(together(mistakes)), [str(warning) for warning in together(warnings)]


def _placed(rule: str, specs: list[FunctionSpec]) -> Iterator[Mistake]:
    """Place what several functions share at the first of them, and name all."""
    first = specs[0]
    for spec in specs:
        function = spec.key if len(specs) > 1 else ""
        yield Mistake(first.place.file, first.place.line, f"functions.{first.key}", rule, function)


def _of(
    spec: FunctionSpec, around: Surroundings, read: dict[SourceCode, Tree | Finding], *, inline: bool
) -> Iterator[Finding]:
    unstampable = no_room(spec.settings.description)
    if unstampable is not None:
        yield True, f"{unstampable.message}; {unstampable.advice}"
    code, runtime, entrypoint = spec.code, spec.settings.runtime, spec.settings.entrypoint
    if not isinstance(code, SourceCode):
        return
    if code.build is not None:
        misspelled = misspelled_entry(runtime, entrypoint)
        if misspelled:
            yield True, misspelled
        try:
            parse(code.include, code.exclude, absolute_path(code.source) if code.source.is_dir() else "")
        except PackageError as error:
            yield True, _said(error)
        return
    if code not in read:
        read[code] = _read(code, around, inline=inline)
    tree = read[code]
    if isinstance(tree, tuple):
        yield tree
        return
    yield from ((False, warning) for warning in tree.warnings)
    entry = missing_entry(runtime, entrypoint, tree.paths)
    if entry is not None:
        yield entry[0] == "error", entry[1]


def _read(code: SourceCode, around: Surroundings, *, inline: bool) -> Tree | Finding:
    """Read a source as a plan does; what may be too large is packed, since only then its size is known."""
    try:
        tree = archive.scan(code, _go_on, around)
        if may_exceed(tree, INLINE_MAX_BYTES if inline else ZIPPED_MAX_BYTES):
            with tempfile.TemporaryDirectory() as folder:
                size_bytes = archive.pack(code, Path(folder), _go_on, around).size_bytes
            failure = too_large(size_bytes) if inline else None
            if failure is not None:  # a bucket may still be given by --bucket
                return False, f"{failure.message}; {failure.advice}"
    except PackageError as error:
        return True, _said(error)
    return tree


def _said(error: PackageError) -> str:
    return f"{error.message}; {error.advice}" if error.advice else error.message


def _go_on() -> None:
    """Nobody cancels this but a signal."""
