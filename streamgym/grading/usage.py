"""How much the processes and folders of a submission use, compared with what they may."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import psutil

from streamgym.checks.limits import Limits, amount

AT_LIMIT = {
    "MemoryError": "ran out of memory",
    "BlockingIOError: [Errno 11]": "started too many processes",
    "OSError: [Errno 24]": "opened too many files",
    "RuntimeError: can't start new thread": "started too many threads",
}
"""What the system's refusal of more means, by how the error begins in which a program ends."""

LONGEST_PATH = 1000
"""Characters of a path; what lies deeper could not be counted (paths end at 4096), nor removed."""


def refused(error: str) -> str:
    """Return which limit it was that a program has met, by the error that ended it; or nothing."""
    return next((what for begin, what in AT_LIMIT.items() if error.startswith(begin)), "")


def excess(limits: Limits, process: psutil.Process | None, folders: Iterable[Path]) -> str:
    """Return what is used beyond the limits, such as ``used more than 1 GB of disk``; or nothing.

    Args:
        limits: what may be used.
        process: the one whose processor time counts, with that of all that it has started.
        folders: where its files are.
    """
    processes = _family(process) if process else []
    if sum(map(_processor_seconds, processes)) > limits.cpu:
        return f"used more than {limits.cpu:g} s of processor time"
    return _excess_of_disk(limits, folders, processes)


def _excess_of_disk(
    limits: Limits, folders: Iterable[Path], processes: Iterable[psutil.Process]
) -> str:
    """Return which limit the files go beyond, in these folders and without a name; or nothing."""
    used = sum(_unnamed(processes).values())
    for number, size in enumerate(_sizes(folders), start=1):
        used += size
        if number > limits.files:
            return f"kept more than {limits.files:,} files"
        if used > limits.disk:
            break
    return f"used more than {amount(limits.disk)} of disk" if used > limits.disk else ""


def _sizes(folders: Iterable[Path]) -> Iterator[int]:
    """Yield how much each file occupies; of what lies too deep, more than any limit."""
    for parent, _, names in chain.from_iterable(map(os.walk, folders)):
        if len(parent) > LONGEST_PATH:
            yield 1 << 62
            return
        for name in names:
            with suppress(OSError):  # it may have gone meanwhile
                yield Path(parent, name).lstat().st_blocks * 512


def _unnamed(processes: Iterable[psutil.Process]) -> dict[tuple[int, int], int]:
    """Return how much open files occupy that were deleted: they fill a disk unseen."""
    found = {}
    for process in processes:
        with suppress(OSError):
            for opened in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(OSError):
                    file = opened.stat()
                    if stat.S_ISREG(file.st_mode) and file.st_nlink == 0:
                        found[file.st_dev, file.st_ino] = file.st_blocks * 512
    return found


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return []


def _processor_seconds(process: psutil.Process) -> float:
    """Return the time of a process and of those of its children that have ended."""
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
