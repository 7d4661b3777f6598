"""Worlds for many submissions: each is started while earlier submissions are graded."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakSet

from streamgym.errors import StreamgymError
from streamgym.grading.world import GradingWorld

Ways = tuple[Callable[[], GradingWorld], ...]
"""How to come by a started world, at the first try and at the next."""


class Worlds:
    """Starts worlds in the background.

    Args:
        jobs: how many are started at a time.
        sandboxed: False runs submissions without protection.
    """

    def __init__(self, jobs: int, sandboxed: bool) -> None:
        self._sandboxed = sandboxed
        self._starters = ThreadPoolExecutor(jobs)
        self._living: WeakSet[GradingWorld] = WeakSet()
        self.abandoned = False

    def ways(self, systems: set[str]) -> Ways:
        """Begin to start a world; return how to wait for it, and how to get another."""
        began = self._starters.submit(self._new(systems).start)
        return began.result, lambda: self._new(systems).start()

    def abandon(self) -> None:
        """Make all grading in these worlds end soon; those who grade close their worlds."""
        self.abandoned = True
        for world in list(self._living):
            world.abandon()

    def _new(self, systems: set[str]) -> GradingWorld:
        if self.abandoned:
            raise StreamgymError("grading was stopped")
        world = GradingWorld(systems, sandboxed=self._sandboxed)
        self._living.add(world)
        return world
