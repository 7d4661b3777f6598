import pytest

from streamgym.tours.scaling import Change, Group, Held, held, is_balanced, orphaned


def parts(*numbers):
    return frozenset(numbers)


HISTORY = [
    Change(0.0, "A", "assigned", parts(0, 1)),
    Change(1.0, "A", "revoked", parts(0, 1)),
    Change(1.5, "A", "assigned", parts(0)),
    Change(1.5, "B", "assigned", parts(1)),
    Change(3.0, "B", "killed", parts(1)),
    Change(5.0, "A", "revoked", parts(0)),
    Change(5.5, "A", "assigned", parts(0, 1)),
]


def test_what_is_held_ends_when_it_is_given_up_and_with_its_owners_death():
    assert sorted(held(HISTORY, 6.0), key=lambda h: (h.begin, h.partition)) == [
        Held(0, "A", 0.0, 1.0),
        Held(1, "A", 0.0, 1.0),
        Held(0, "A", 1.5, 5.0),
        Held(1, "B", 1.5, 3.0),
        Held(0, "A", 5.5, 6.0),
        Held(1, "A", 5.5, 6.0),
    ]


def test_the_partitions_of_the_dead_are_orphaned_until_somebody_has_them():
    assert orphaned(HISTORY) == 2.5


@pytest.mark.parametrize(
    ("owned", "balanced"),
    [
        ([parts(0), parts(1), parts(2)], True),
        ([parts(0), parts(1, 2)], True),
        ([parts(0), parts(1), parts(2), parts()], True),
        ([parts(0, 1, 2), parts()], False),
        ([parts(0, 1), parts(1, 2)], False),
        ([parts(0), parts(1)], False),
    ],
)
def test_it_is_balanced_when_each_partition_has_one_owner_and_all_have_as_many(owned, balanced):
    assert is_balanced(owned, 3) is balanced


@pytest.fixture(params=["eager", "cooperative"])
def group(request, kafka):
    group = Group(kafka, partitions=2, strategy=request.param)
    yield group
    group.close()


@pytest.mark.stack
def test_eager_members_give_up_all_and_cooperative_ones_what_moves(group):
    assert group.join("A") == {0, 1}
    assert len(group.join("B")) == 1
    given = [c.partitions for c in group.changes() if c.what == "revoked" and c.partitions]
    assert len(given[0]) == (2 if group.strategy == "eager" else 1)
    assert group.given_up() == sum(len(partitions) for partitions in given)


@pytest.mark.stack
def test_the_living_take_over_new_partitions_and_those_of_the_dead(kafka):
    group = Group(kafka, partitions=2)
    try:
        group.join("A")
        group.join("B")
        group.grow(4)
        assert sorted(len(owned) for owned in group.owners().values()) == [2, 2]
        group.kill("A")
        assert group.owners() == {"B": {0, 1, 2, 3}}
        assert orphaned(group.changes()) > 0
    finally:
        group.close()
