"""Worlds for many submissions: each is started while earlier submissions are graded."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakSet

from streamgym.checks.labs import load_limits
from streamgym.checks.limits import Limits
from streamgym.errors import StreamgymError
from streamgym.grading.grade import needed
from streamgym.grading.world import GradingWorld

Ways = tuple[Callable[[], GradingWorld], ...]
"""How to come by a started world, at the first try and at the next."""


class Worlds:
    """Starts worlds in the background.

    Args:
        jobs: how many are started at a time.
        sandboxed: False runs submissions without protection.
        limits: what a submission may use; None for what its lab says.
    """

    def __init__(self, jobs: int, sandboxed: bool, limits: Limits | None = None) -> None:
        self._sandboxed = sandboxed
        self._limits = limits
        self._starters = ThreadPoolExecutor(jobs)
        self._living: WeakSet[GradingWorld] = WeakSet()
        self.abandoned = False

    def ways(self, lab: str, code: Sequence[str]) -> Ways:
        """Begin to start a world for a lab's notebook with these cells.

        Return how to wait for it, and how to get another.
        """
        systems = needed(lab, code)
        limits = self._limits or load_limits(lab)
        began = self._starters.submit(self._new(systems, limits).start)
        return began.result, lambda: self._new(systems, limits).start()

    def abandon(self) -> None:
        """Make all grading in these worlds end soon; those who grade close their worlds."""
        self.abandoned = True
        for world in list(self._living):
            world.abandon()

    def _new(self, systems: set[str], limits: Limits) -> GradingWorld:
        if self.abandoned:
            raise StreamgymError("grading was stopped")
        world = GradingWorld(systems, sandboxed=self._sandboxed, limits=limits)
        self._living.add(world)
        return world
