import pandas as pd
import pytest

from streamgym.errors import StreamgymError
from streamgym.stack.prepare import prepare
from streamgym.tours import costs, loads, orders
from streamgym.tours.costs import SEGMENT, Policy

EVENTS = orders.history(seed=5, scale=5)
LIMIT = 500_000


@pytest.fixture(scope="module")
def broker():
    prepare()
    with costs.Housekeeper() as broker:
        yield broker


@pytest.mark.stack
def test_deletion_keeps_at_least_its_bytes_and_compaction_what_has_no_newer_version(broker):
    policies = {
        "all": Policy("order_id", {}),
        "some": Policy("order_id", {"retention.bytes": LIMIT}),
        "newest": Policy("order_id", {"cleanup.policy": "compact"}),
        "each": Policy("event_id", {"cleanup.policy": "compact"}),
    }
    sizes = costs.kept(broker, EVENTS, policies, steps=2)
    end = sizes.iloc[-1]
    assert sizes["all"].is_monotonic_increasing
    assert LIMIT <= end["some"] < LIMIT + SEGMENT < end["all"]
    assert end["newest"] < end["all"] / 1.2
    assert end["each"] > end["all"] / 1.2


@pytest.mark.stack
def test_each_partition_brings_files_and_makes_batches_smaller(broker):
    one, ten = (costs.spread(broker, EVENTS[:2000], number) for number in (1, 10))
    assert (one.opened, ten.opened) == (1, 10)
    assert ten.files == 10 * one.files
    assert ten.stored > one.stored


def test_a_column_is_a_small_part_of_a_file(tmp_path):
    files = costs.archive(EVENTS, tmp_path)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    assert sizes["Parquet, zstd"] < sizes["Parquet"] < sizes["JSON"]
    assert sizes["JSON, zstd"] < sizes["JSON"] / 3
    for name in ("Parquet", "Parquet, zstd"):
        columns = loads.files(files[name], columns=["seller_id", "amount_cents"])
        assert columns.rows == len(EVENTS)
        assert columns.bytes < loads.files(files[name]).bytes / 3
    frame = pd.read_parquet(files["Parquet, zstd"])
    assert list(frame["event_id"]) == [event["event_id"] for event in EVENTS]


def test_a_job_takes_its_time_and_a_failed_one_is_told():
    assert costs.timed("import os; assert os.environ['GIVEN'] == 'this'", GIVEN="this") > 0
    with pytest.raises(StreamgymError, match="no such thing"):
        costs.timed("raise ValueError('no such thing')")
