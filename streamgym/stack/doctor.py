"""What this machine has, and what to do about what it lacks."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import psutil

from streamgym.errors import StreamgymError
from streamgym.stack import jars, java, kafka, paths, ports, shared, spark

GIB = 2**30
NEEDED_MEMORY, NEEDED_DISK = 3 * GIB, 2 * GIB


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and the remedy when it is not well."""

    name: str
    found: str
    ok: bool
    remedy: str = ""


def findings() -> Iterator[Finding]:
    """Look at everything that streamgym needs, one thing after the other."""
    yield _python()
    yield _java()
    yield _memory()
    yield _disk()
    yield _jars()
    yield from _ports()
    yield _sandbox()
    yield Finding("Kafka", kafka.VERSION, True)
    yield _package("pyspark", spark.VERSION)
    for package in ("kafka-python", "bytewax", "jupyterlab", "papermill", "pandas"):
        yield _package(package)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info[:2] in ((3, 11), (3, 12))
    return Finding("Python", found, ok, "install Python 3.11 or 3.12: Bytewax has no other wheels")


def _java() -> Finding:
    try:
        executable = java.java()
    except StreamgymError as error:
        return Finding("Java", "none", False, str(error))
    major = java.version(executable)
    remedy = f"install Java {java.OLDEST} or newer, and set STREAMGYM_JAVA_HOME to its folder"
    return Finding("Java", f"{major}", major >= java.OLDEST, remedy)


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    return Finding("memory free", _gib(free), free >= NEEDED_MEMORY, "close other programs")


def _disk() -> Finding:
    free = shutil.disk_usage(paths.cache()).free
    return Finding(
        "disk free", _gib(free), free >= NEEDED_DISK, "free 2 GB, or set STREAMGYM_CACHE"
    )


def _jars() -> Finding:
    lacking = [jar for section in jars.locked().values() for jar in section if not jar.is_sound()]
    found = f"{len(lacking)} to fetch" if lacking else "all there, hashes right"
    return Finding("jars", found, not lacking, "run `make setup` with a network")


def _ports() -> Iterator[Finding]:
    for status in shared.status():
        if status.state != "stopped":
            yield Finding(f"{status.name} port", f"{status.state}, {status.address}", True)
        else:
            yield _finding(f"{status.name} port", partial(_port, status.name))


def _port(name: str) -> str:
    wanted = int(os.environ.get(f"STREAMGYM_{name.upper()}_PORT", "0"))
    return f"{ports.free_port(wanted)} is free"


def _sandbox() -> Finding:
    remedy = "grade on Linux 6.12 or newer, or with --no-sandbox"
    try:
        from sandlock import landlock_abi_version, min_landlock_abi
    except ImportError:
        return Finding("sandbox", "not on this system", False, remedy)
    found, least = landlock_abi_version(), min_landlock_abi()
    return Finding("sandbox", f"Landlock ABI {found}", found >= least, remedy)


def _package(name: str, wanted: str = "") -> Finding:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(name, "missing", False, "run `make setup`")
    return Finding(name, found, wanted in ("", found), "run `make setup`")


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, look(), True)
    except (StreamgymError, ValueError) as error:
        return Finding(name, "not free", False, str(error))


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
