"""Scheduling: which worker of pytest-xdist runs which cases. The cases of one host stay together, in their order."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

import canireuse_adapters
from canireuse.results.cases import group


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Gives all cases of a backend, or of one of its engines, to one worker, so that each framework is imported once."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what a node id runs together with: `specs/ties/a.yaml::keras+jax+file` with all of `keras+jax`."""
        backend, *ways = nodeid.rpartition("::")[2].split("+")
        if backend not in canireuse_adapters.points():
            return nodeid  # a test of another kind
        engines = canireuse_adapters.adapter(backend).engines
        return group(backend, ways[0] if ways and ways[0] in engines else None)

    def remove_node(self, node: Any) -> str | None:
        """Give what a worker leaves to others when it ends, but for the case that ended it; return that case.

        Where pytest-xdist 3.8 gives out that one too, it ends one worker after the other.
        """
        left = self.assigned_work.pop(node)
        crashed = next((case for unit in left.values() for case, done in unit.items() if not done), None)
        for scope, unit in left.items():
            if crashed in unit:
                unit[crashed] = True
            if not all(unit.values()):
                self.workqueue[scope] = unit
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed
