"""Jobs, and what loads read and miss; one Postgres for both modules."""

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from streamgym.stack.postgres import Postgres
from streamgym.tours import batches, loads
from streamgym.tours.batches import Jobs
from streamgym.tours.nightly import DAY, FIRST
from streamgym.tours.waiting import wait_until

ORDERS = batches.orders(seed=3, scale=3)
ASLEEP = "import time; time.sleep(600)"
NIGHTLY = """
from streamgym.tours.nightly import DAY, Warehouse

warehouse = Warehouse()
while True:
    warehouse.sleep_until_midnight()
    warehouse.load(warehouse.today() - DAY, how="scheduled")
"""


@pytest.fixture(scope="module")
def server():
    with Postgres() as postgres:
        yield postgres.address


@pytest.fixture
def url(server):
    return batches.database(server, ORDERS)


@pytest.fixture
def jobs(url):
    jobs = Jobs(url)
    yield jobs
    jobs.close()


@pytest.mark.stack
def test_nights_without_a_scheduler_are_missing_until_they_are_loaded(jobs):
    scheduler = jobs.start(NIGHTLY)
    jobs.wait_for_runs(1)
    jobs.miss(1, scheduler)
    last = max(jobs.warehouse.loaded())
    assert last + DAY in jobs.warehouse.missing()
    jobs.warehouse.load(last + DAY, how="on demand")
    assert last + DAY not in jobs.warehouse.missing()


@pytest.mark.stack
def test_a_day_that_is_loaded_twice_counts_once(jobs):
    jobs.warehouse.load(FIRST, how="on demand")
    jobs.warehouse.load(FIRST, how="on demand")
    first = pa.compute.sum(pa.compute.equal(ORDERS["placed_at"].cast(pa.date32()), FIRST)).as_py()
    assert loads.query(jobs.url, "SELECT * FROM runs").rows == 2
    counted = loads.query(jobs.url, "SELECT 1 FROM daily_sales WHERE orders = %s", [first])
    assert counted.rows == 1


@pytest.mark.stack
def test_a_file_is_loaded_with_the_lines_that_it_has(jobs):
    path = jobs.landing / "three.csv"
    path.write_text("1\n2\n3\n")
    jobs.warehouse.load_file(path)
    assert jobs.warehouse.files() == {"three.csv": 3}


@pytest.mark.stack
def test_jobs_that_are_closed_run_no_longer(url):
    jobs = Jobs(url)
    process = jobs.start(ASLEEP)
    jobs.close()
    wait_until(lambda: process.wait(0.1) is not None, "it has ended")
    assert not jobs.landing.exists()


@pytest.mark.stack
def test_without_an_index_all_rows_are_looked_at(url):
    text = "SELECT * FROM orders WHERE placed_at >= %s"
    found = loads.query(url, text, [FIRST + 29 * DAY])
    assert 0 < found.rows < found.looked_at == len(ORDERS)
    assert found.bytes == loads.query(url, "SELECT * FROM orders").bytes > loads.PAGE


@pytest.mark.stack
def test_each_load_misses_what_it_does_not_ask_for(url):
    happened = loads.night(url)
    full, delta = loads.load(url, "true"), loads.delta(url)
    assert full.arrived == delta.arrived == full.number == happened
    by_placed = loads.load(url, "placed_at >= '2025-07-01'").arrived
    assert by_placed == {"new": happened["new"], "changed": 0, "late": 0, "deleted": 0}
    by_updated = loads.load(url, "updated_at >= '2025-07-01'").arrived
    assert by_updated == happened | {"deleted": 0}


@pytest.mark.stack
def test_a_load_is_only_tried(url):
    loads.night(url)
    rows = "SELECT * FROM warehouse"
    before = loads.query(url, rows)
    loads.load(url, "true")
    assert loads.query(url, rows).rows == before.rows == len(ORDERS)


def test_a_day_of_files_reads_its_own_folder_alone(tmp_path):
    loads.write_days(ORDERS, tmp_path)
    everything = loads.files(tmp_path)
    day = loads.files(tmp_path, ds.field("day") == f"{FIRST}")
    stored = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert everything.rows == everything.looked_at == len(ORDERS)
    assert day.rows == day.looked_at
    assert day.bytes < everything.bytes / 10 < stored / 10


def test_a_condition_on_another_column_opens_all_files(tmp_path):
    loads.write_days(ORDERS, tmp_path)
    seller = loads.files(tmp_path, ds.field("seller_id") == 7)
    assert seller.rows < seller.looked_at == len(ORDERS)
