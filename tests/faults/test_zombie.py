"""A zombie is fenced when its transactional id is its successor's, and only then."""

from functools import partial

import pytest

from streamgym.faults.zombie import haunt
from streamgym.lab.scripts import workspace

from . import workers

pytestmark = pytest.mark.stack
KINDS = ["AddOffsetsToTxn", "Produce", "TxnOffsetCommit", "EndTxn"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_transactional_zombie_is_fenced(stage, kind):
    found = haunt(partial(workspace, workers.TRANSACTIONAL), stage(), kind, 2)
    assert found.frozen
    assert found.successor.returncode == 0
    assert found.zombie.returncode == 1
    assert "ProducerFencedError" in found.zombie.errors
    assert not any(found.broken.values())
    assert [what for _, _, what in found.trace.marks] == ["frozen", "woken"]


def test_without_a_transaction_a_zombie_writes_what_its_successor_wrote(stage):
    found = haunt(partial(workspace, workers.PRODUCE_THEN_COMMIT), stage(), "Produce", 2)
    assert found.frozen
    assert found.broken["duplicated"]


def test_a_worker_that_ends_before_the_request_is_no_zombie(stage):
    found = haunt(partial(workspace, workers.PRODUCE_THEN_COMMIT), stage(), "EndTxn", 1)
    assert not found.frozen
    assert not any(found.broken.values())
