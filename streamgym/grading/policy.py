"""What a submission's code may do: every permission stands here, with its reason.

The keys are those of :class:`sandlock.Sandbox` (Landlock and seccomp, enforced by the kernel).
Nothing is allowed that is not listed: no ``/proc``, so no other process's arguments or
environment; no ``/etc/passwd``; no ``solutions/``, no other submission, no folder of the grader;
no listening on TCP ports, and no signal to a process outside of the sandbox.
"""

import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from streamgym.checks.labs import course_root
from streamgym.errors import StreamgymError

PACKAGE = Path(__file__).parents[1]

MEMORY = "3G"
"""Memory of a sandbox: what all its processes have mapped, so more than they really touch."""

PROCESSES = 64
"""Processes of a sandbox at one time; threads do not count."""

OPEN_FILES = 1024
"""Files and sockets that one process may hold open."""

SPARK_MEMORY = "12G"
"""Memory of Spark's sandbox; Java reserves much that it never touches."""

DISK = 1_000_000_000
"""Bytes that a box may hold; the sandbox has no quota, so whoever waits for the box looks."""

FILES = 20_000
"""Files that a box may hold."""

SYSTEM = (
    "/usr",  # programs (%%bash), shared libraries, time zones
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",  # where shared libraries are
    "/etc/localtime",
    "/etc/fonts",  # matplotlib asks fontconfig
    "/dev/random",  # without it Java gathers its own randomness, for ten seconds
    "/dev/urandom",
    "/dev/zero",
)
SPARK_SYSTEM = (
    "/etc/passwd",  # Hadoop's login asks for the user's name
    "/etc/nsswitch.conf",
    "/proc",  # Spark looks its Python processes up; sandlock hides those of others
)


def policy(
    workspace: Path, net_allow: Iterable[str] = (), readable: Iterable[Path] = ()
) -> dict[str, Any]:
    """Return the sandbox of one process.

    Args:
        workspace: the one folder that it may write to.
        net_allow: addresses ``host:port`` that it may connect to.
        readable: further folders that it may read.
    """
    return {
        "fs_readable": [*_existing(SYSTEM), *map(str, (*_python(), *_course(), *readable))],
        "fs_writable": [str(workspace), "/dev/null"],
        "net_allow": [f"tcp://{address}" for address in net_allow],
        "max_memory": MEMORY,
        "max_processes": PROCESSES,
        "max_open_files": OPEN_FILES,
        "no_coredump": True,  # a dump would leave the workspace
    }


def spark_policy(home: Path, net_allow: Iterable[str]) -> dict[str, Any]:
    """Return the sandbox of a Spark server, in which Python functions of queries run.

    Args:
        home: its folder.
        net_allow: addresses ``host:port`` that it may connect to.
    """
    allowed = policy(home, net_allow)
    allowed["fs_readable"] += _existing(SPARK_SYSTEM)
    return allowed | {
        "net_allow_bind": ["1024-65535"],  # it serves on ports of its own
        "max_memory": SPARK_MEMORY,
        "name": _loopback_name(),  # the host name that it looks up
    }


def _loopback_name() -> str:
    """Return a host name that resolves without a look-up; no two sandboxes may share theirs."""
    return ".".join(["127", *(str(secrets.randbelow(254) + 1) for _ in range(3))])


def require_sandbox() -> None:
    """Make sure that a sandbox is to be had.

    Raises:
        StreamgymError: it is not.
    """
    if not sandbox_is_available():
        raise StreamgymError(
            "no sandbox here (it needs Linux 6.12 or newer with Landlock): "
            "grade elsewhere, or trust every submission and use --no-sandbox"
        )


def environment(workspace: Path) -> dict[str, str]:
    """Return the variables that make programs write to ``workspace`` and find the course."""
    folder = str(workspace)
    return {
        "HOME": folder,
        "TMPDIR": folder,
        "IPYTHONDIR": folder,
        "MPLCONFIGDIR": folder,
        "JUPYTER_RUNTIME_DIR": folder,
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin"]),
        "STREAMGYM_CACHE": str(_cache()),
        "STREAMGYM_COURSE": str(course_root()),
        "STREAMGYM_GRADING": "1",
    }


def link_package(folder: Path) -> Path:
    """Make ``folder`` hold streamgym alone, for PYTHONPATH, and return it.

    An editable install puts the whole clone on the path, whose listing a sandbox may not read.
    """
    folder.mkdir()
    (folder / "streamgym").symlink_to(PACKAGE, target_is_directory=True)
    return folder


def _python() -> list[Path]:
    """Python, its libraries (Java among them) and this package, which holds nothing secret."""
    return [Path(sys.prefix), Path(sys.base_prefix), PACKAGE]


def _course() -> list[Path]:
    """The public part of the course, and data derived from public data."""
    folders = [course_root() / "labs", course_root() / "datasets", _cache()]
    return [folder for folder in folders if folder.exists()]


def _cache() -> Path:
    return Path(os.environ.get("STREAMGYM_CACHE") or user_cache_dir("streamgym"))


def _existing(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]


def sandbox_is_available() -> bool:
    """Return whether this machine can run submissions in a sandbox."""
    try:
        import sandlock
    except ImportError:
        return False
    return bool(sandlock.landlock_abi_version() >= sandlock.min_landlock_abi())
