"""What the local disk shows about functions that cannot be deployed: without the cloud, and without builds.

| of a function                                               | without a build             | with a build     |
| ---                                                         | ---                         | ---              |
| patterns that can never match                             | reported                    | reported         |
| an entry point that names no function, too long a description | reported                  | reported         |
| missing, forbidden, or too large files; what `include` names; the entry point's file | reported | after its build |
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
    """Return the errors and warnings of a plan, each once with the functions concerned. `digests`: known digests of
    files.

    Functions with mistakes in their tables are skipped: these are reported already.
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
    """Return a mistake of several functions at the place of the first, naming all."""
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
    """Read a source as a plan does. A source that may be too large is packed, since only then its size is known."""
    try:
        tree = archive.scan(code, _go_on, around)
        if may_exceed(tree, INLINE_MAX_BYTES if inline else ZIPPED_MAX_BYTES):
            with tempfile.TemporaryDirectory() as folder:
                size_bytes = archive.pack(code, Path(folder), _go_on, around).size_bytes
            failure = too_large(size_bytes) if inline else None
            if failure is not None:  # --bucket may still provide a bucket
                return False, f"{failure.message}; {failure.advice}"
    except PackageError as error:
        return True, _said(error)
    return tree


def _said(error: PackageError) -> str:
    if error.message.endswith("?") and error.advice:
        return f"{error.message} {error.advice[0].upper()}{error.advice[1:]}"
    return f"{error.message}; {error.advice}" if error.advice else error.message


def _go_on() -> None:
    """Do nothing: only a signal cancels this."""
