from collections.abc import Callable

import pytest

from streamgym.checks.results import Result, Verdict
from streamgym.errors import StreamgymError
from streamgym.grading.grade import in_lasting_world, needed

pytestmark = pytest.mark.usefixtures("course")


class World:
    """Stands in for a world: whether it lasts."""

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.closed = False

    def lost(self) -> str:
        return self.why

    def close(self) -> None:
        self.closed = True


PASSED = Result("double", "Twice", Verdict.PASSED, 2.0, 2.0)


def graded_in(*worlds: World | Exception) -> list[Result]:
    def way(world: World | Exception) -> Callable[[], World]:
        def come_by() -> World:
            if isinstance(world, Exception):
                raise world
            return world

        return come_by

    return in_lasting_world("01_tiny", [way(world) for world in worlds], lambda _: [PASSED])  # type: ignore[misc]


def test_results_of_a_world_that_lasted_count() -> None:
    world = World()
    assert graded_in(world) == [PASSED]
    assert world.closed


@pytest.mark.parametrize("first", [World("kafka was lost"), StreamgymError("no port")])
def test_a_lost_world_is_replaced_once(first: World | Exception) -> None:
    assert graded_in(first, World()) == [PASSED]


def test_two_lost_worlds_leave_all_exercises_ungradable() -> None:
    results = graded_in(World("kafka was lost"), World("spark was lost"))
    assert {(str(r.verdict), r.reason) for r in results} == {("ungradable", "spark was lost")}
    assert [r.exercise for r in results] == ["double", "shout", "favourite"]


def test_a_system_is_started_only_where_it_is_named() -> None:
    assert needed("01_tiny", ["x = 1"]) == set()
    assert needed("01_tiny", ["%%worker shout\nprint()"]) == {"kafka"}
    assert needed("01_tiny", ["lab.spark().range(1)"]) == {"kafka", "spark"}
    assert needed("01_tiny", ["url = lab.postgres()"]) == {"postgres"}
