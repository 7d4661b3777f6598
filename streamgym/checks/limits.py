"""What one submission may use; a lab that needs more says so in its ``checks.py``."""

from dataclasses import dataclass

MB, GB = 10**6, 10**9


@dataclass(frozen=True)
class Limits:
    """Limits of one submission. Whatever goes beyond one of them is *ungradable*, never failed.

    A lab's own are ``LIMITS = Limits(notebook=600)`` in its ``checks.py``, which a submission
    cannot change.

    Attributes:
        cell: seconds that a cell may take.
        notebook: seconds that all cells may take together.
        answer: seconds that the calls of one answer may take.
        restarts: how often the kernel is started anew after a cell has taken it down.
        cpu: seconds of processor time of the notebook, of each worker and of Spark, on all cores
            together.
        memory: bytes that a notebook, or a worker, may have mapped; that is more than it touches.
        processes: how many processes it may have at one time; threads do not count.
        disk: bytes that it may keep in files, and in those of its broker and of its Spark.
        files: how many files it may keep.
        output: bytes that a cell, or a worker, may print; beyond 1 MB they are not shown.
    """

    cell: float = 60
    notebook: float = 300
    answer: float = 60
    restarts: int = 3
    cpu: float = 600
    memory: int = 3 * GB
    processes: int = 64
    disk: int = GB
    files: int = 20_000
    output: int = 20 * MB


def amount(number: int) -> str:
    """Return a number of bytes in words: ``3 GB``, ``200 MB``."""
    return f"{number / GB:g} GB" if number >= GB else f"{number / MB:g} MB"
