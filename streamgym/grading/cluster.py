"""Grading on a Dask cluster: each worker starts the worlds of its submissions by itself."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from distributed import Client, Future, KilledWorker, LocalCluster, as_completed

from streamgym.checks.limits import Limits
from streamgym.errors import StreamgymError
from streamgym.grading.gradebook import Row
from streamgym.grading.grader import graded, graded_alone
from streamgym.grading.policy import require_sandbox
from streamgym.grading.submission import Submission

LOCAL = "local"
"""The address of a cluster that is started on this machine, and ends with the grading."""

ANSWER_SECONDS = 10.0
"""How long a scheduler may take to answer."""


@contextmanager
def connected(address: str, jobs: int) -> Iterator[Client]:
    """Give a client of the cluster whose scheduler is at ``address``.

    Args:
        address: such as ``tcp://10.0.0.1:8786``, or ``local``.
        jobs: how many workers a local cluster has, each a process.

    Raises:
        StreamgymError: no scheduler answers there.
    """
    if address == LOCAL:
        with (
            LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise StreamgymError(
            f"no Dask scheduler answers at {address}: start one with `dask scheduler`, or try "
            f"--dask local ({type(error).__name__})"
        ) from None
    with client:
        yield client


def grade_on(
    client: Client,
    submissions: Iterable[Submission],
    secret: str,
    keep: Callable[[Row], None],
    *,
    sandboxed: bool,
    limits: Limits | None,
) -> None:
    """Grade each submission on one of the workers, and keep rows as they come.

    A submission whose worker is lost is graded on another one, until the cluster gives up
    (Dask's ``distributed.scheduler.allowed-failures``).

    Raises:
        StreamgymError: a worker's machine has no sandbox.
    """
    begun: dict[Future[Row], Submission] = {
        client.submit(_grade, each, secret, sandboxed, limits, pure=False): each
        for each in submissions
    }
    for future in as_completed(begun):
        submitted = begun[future]
        try:
            row = future.result()
        except KilledWorker:
            lost = replace(submitted, reason="every worker that graded it was lost")
            row = graded(lost, (), secret, sandboxed=sandboxed)
        keep(row)


def _grade(submitted: Submission, secret: str, sandboxed: bool, limits: Limits | None) -> Row:
    if sandboxed:
        require_sandbox()
    return graded_alone(submitted, secret, sandboxed=sandboxed, limits=limits)
