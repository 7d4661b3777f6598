from pathlib import Path
from threading import Thread

import psutil
import pytest
from distributed import Client, LocalCluster
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from streamgym.errors import StreamgymError
from streamgym.grading.batch import grade_all
from streamgym.grading.cluster import connected

from .rows import gradebook

pytestmark = pytest.mark.usefixtures("course")

NAMES = ["ada", "ben"]
SEED = "the same for both"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write, solved) -> Path:
    folder = tmp_path_factory.mktemp("submissions")
    for name in NAMES:
        write(folder, name, solved)
    write(folder, "wrong", [text.replace("2 * number", "3 * number") for text in solved])
    (folder / "broken.ipynb").write_text("{")
    return folder


@pytest.mark.stack
def test_a_cluster_gives_the_gradebook_that_this_process_gives(folder, tmp_path) -> None:
    grade_all([folder], tmp_path / "here", jobs=2, seed=SEED, progress=False)
    grade_all([folder], tmp_path / "there", jobs=2, seed=SEED, dask="local", progress=False)
    assert gradebook(tmp_path / "there") == gradebook(tmp_path / "here")
    pages = [{p.name for p in (tmp_path / x / "feedback").iterdir()} for x in ("here", "there")]
    assert pages[0] == pages[1]


@retry(
    retry=retry_if_result(lambda found: not found), stop=stop_after_delay(60), wait=wait_fixed(0.05)
)
def graders(workers: list[int]) -> list[psutil.Process]:
    """Wait until a worker grades; return the processes below it that a submission is graded in."""
    below = [p for pid in workers for p in psutil.Process(pid).children(recursive=True)]
    return [p for p in below if p.is_running() and "streamgym.stack.keeper" in p.cmdline()]


@pytest.mark.stack
def test_what_a_lost_worker_had_is_graded_elsewhere_and_once(folder, tmp_path) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            workers = list(client.run(lambda: __import__("os").getpid()).values())
        address = cluster.scheduler_address
        grading = Thread(
            target=grade_all,
            args=([folder], tmp_path),
            kwargs={"seed": SEED, "dask": address, "progress": False},
        )
        grading.start()
        keeper = graders(workers)[0]
        worker = next(p for p in keeper.parents() if p.pid in workers)
        worker.kill()
        grading.join()
        keeper.wait(30)
    rows = gradebook(tmp_path)
    assert [row["student"] for row in rows] == sorted([*NAMES, "wrong", "broken"])
    assert {row["score"] for row in rows if row["student"] in NAMES} == {"6"}


def test_no_scheduler_is_one_line() -> None:
    with (
        pytest.raises(StreamgymError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1: "),
        connected("tcp://127.0.0.1:1", 1),
    ):
        pass
