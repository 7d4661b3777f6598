"""What a submission's code may do: every permission stands here, with its reason.

The keys are those of :class:`sandlock.Sandbox` (Landlock and seccomp, enforced by the kernel).
Nothing is allowed that is not listed: no ``/proc``, so no other process's arguments or
environment; no ``/etc/passwd``; no ``solutions/``, no other submission, no folder of the grader;
no listening on a TCP port of its choice, and no signal to a process outside of the sandbox. What
Landlock leaves open is closed in :mod:`streamgym.stack.syscalls`.
"""

import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from streamgym.checks.labs import course_root
from streamgym.checks.limits import GB, Limits
from streamgym.errors import StreamgymError

PACKAGE = Path(__file__).parents[1]
DEFAULTS = Limits()

OPEN_FILES = 256
"""Files and sockets that one process may hold open: all together fewer than there are ports."""

SPARK_OPEN_FILES = 4096
"""The same for Spark, which opens some hundred jars."""

SPARK_MEMORY = 12 * GB
"""Memory of Spark's sandbox; Java reserves much that it never touches."""

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

NOWHERE = "127.0.0.1:9"
"""An address with nobody there. Without any rule sandlock leaves connections to Landlock, which
knows no protocol beside TCP; with one it looks at each itself."""

REFUSED = (
    "memfd_create",  # memory that max_memory does not count
    "memfd_secret",
    "utime",  # times of files, as only old programs set them; others: streamgym.stack.syscalls
    "utimes",
    "futimesat",
    "migrate_pages",
    "move_pages",
)
"""Calls that would reach beyond a sandbox although Landlock lets them, and that nobody needs."""

PRETENDED = (
    # of a file: its mode, owner, times, attributes
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    "file_setattr",
    *("setxattr", "lsetxattr", "fsetxattr", "setxattrat"),
    *("removexattr", "lremovexattr", "fremovexattr", "removexattrat"),
    # of a process: its cores and its priority
    *("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"),
    *("setpriority", "ioprio_set"),
)
"""Calls that Landlock lets reach every file and process of the user's, the grader's too. They do
nothing and report success, which ``shutil.copy``, Hadoop and ZeroMQ want."""


def policy(
    workspace: Path,
    net_allow: Iterable[str] = (),
    readable: Iterable[Path] = (),
    limits: Limits = DEFAULTS,
) -> dict[str, Any]:
    """Return the sandbox of one process.

    Args:
        workspace: the one folder that it may write to.
        net_allow: addresses ``host:port`` that it may connect to.
        readable: further folders that it may read.
        limits: of memory and processes; what else is limited, :mod:`.usage` looks after.
    """
    return {
        "fs_readable": [*_existing(SYSTEM), *map(str, (*_python(), *_course(), *readable))],
        "fs_writable": [str(workspace), "/dev/null"],
        "net_allow": [f"tcp://{address}" for address in (*net_allow, NOWHERE)],
        "max_memory": limits.memory,
        "max_processes": limits.processes,
        "max_open_files": OPEN_FILES,
        "no_coredump": True,  # a dump would leave the workspace
        "extra_deny_syscalls": list(REFUSED),
        "pretended": list(PRETENDED),
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
        "max_open_files": SPARK_OPEN_FILES,
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
