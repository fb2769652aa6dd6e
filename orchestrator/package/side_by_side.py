"""How many trees are read at the same time: as many as is useful."""

from __future__ import annotations

import resource
from collections.abc import Callable

from anyio import CapacityLimiter, to_thread

from orchestrator.model import Tree

_LARGE_BYTES = 128 * 1024  # average size of a tree's files, from which hashing releases the interpreter long enough
_OF_THREAD = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)  # Linux has the former


class SideBySide:
    """Reads trees in threads.

    | the last tree that was read                          | at the same time |
    | ---                                                  | ---              |
    | was read from the disk                               | `most`           |
    | consists of large files                              | `most`           |
    | was cached, in small files, or known without reading | 1                |

    In the last case, threads would only compete for the interpreter: four use twice the CPU of one and take longer
    (1,000 sources of 20 files: 5.1 CPU-s and 5.0 s with four, 2.3 CPU-s and 3.0 s with one).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limiter = CapacityLimiter(1)

    @property
    def at_once(self) -> float:
        """How many are read at the same time now."""
        return self._limiter.total_tokens

    async def read(self, work: Callable[[], Tree]) -> Tree:
        """Read a tree in a thread. Raises what `work` raises."""
        tree, blocks = await to_thread.run_sync(_measured, work, limiter=self._limiter)
        is_large = tree.size_bytes > _LARGE_BYTES * len(tree.paths)
        self._limiter.total_tokens = self._most if blocks or is_large else 1
        return tree


def _measured(work: Callable[[], Tree]) -> tuple[Tree, int]:
    """Read a tree. Returns it with the number of disk blocks that were read."""
    before = resource.getrusage(_OF_THREAD).ru_inblock
    tree = work()
    return tree, resource.getrusage(_OF_THREAD).ru_inblock - before
