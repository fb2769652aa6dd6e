"""The files of packages, by name and digest, and how two packages differ."""

from __future__ import annotations

from dataclasses import dataclass

DIGEST_CHARS = 16  # hex digits of a file's digest, which covers its content and its executable bit


@dataclass(frozen=True, slots=True)
class PackedFiles:
    """The files of a package. `digests`: `DIGEST_CHARS` for each path, in their order, as one text."""

    paths: tuple[str, ...]
    digests: str

    def by_path(self) -> dict[str, str]:
        """Return the digest of each file."""
        begins = range(0, len(self.digests), DIGEST_CHARS)
        return dict(zip(self.paths, (self.digests[at : at + DIGEST_CHARS] for at in begins), strict=True))


@dataclass(frozen=True, slots=True)
class FileChanges:
    """The files in which a package differs from the live one; sorted names."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def signed(self) -> tuple[str, ...]:
        """Return all names: "index.py" has changed, "+util.py" is new, "-old.py" was removed."""
        return (*self.changed, *(f"+{name}" for name in self.added), *(f"-{name}" for name in self.removed))


def file_changes(before: PackedFiles, after: PackedFiles) -> FileChanges:
    """Compare two packages file by file."""
    was, now = before.by_path(), after.by_path()
    return FileChanges(
        changed=tuple(sorted(name for name, digest in now.items() if was.get(name, digest) != digest)),
        added=tuple(sorted(now.keys() - was.keys())),
        removed=tuple(sorted(was.keys() - now.keys())),
    )
