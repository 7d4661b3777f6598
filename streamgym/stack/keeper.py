"""The keeper: a small process that guards one child, so that nothing outlives its owner.

Run as ``python -m streamgym.stack.keeper``; the first line of its standard input is the spec, as
JSON. Its owner holds that input open: when it closes, even because the owner was killed, the
keeper ends the child and all that the child started, and removes the folders that the spec names.
The line ``detach`` lets the child live on. A keeper that is itself killed takes its child along
(Linux: PR_SET_PDEATHSIG).
"""

import contextlib
import ctypes
import json
import os
import pwd
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from streamgym.stack.removal import remove

LAST_WORDS = 16_384
"""How many bytes of the log are kept; a pipe holds more, so that nobody waits."""

FEW_THREADS = {"OPENBLAS_NUM_THREADS": "1"}
"""Many processes share the cores, and each NumPy would start a thread for each core, that spins."""

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER = 1, 8, 36
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITIES_OF_THIS_PROCESS = (0x20080522, 0)
"""The header of capset(2): its third version, which has two sets of words, and this process."""


class Forked(BaseException):
    """Raised in a child that was forked, for whoever started the keeper to run what it is for."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec


class Wake:
    """A pipe that ends a wait, and why: the child's exit code, or None for a request to stop."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.reading, self._writing = os.pipe()

    def up(self, code: int | None = None) -> None:
        """End the wait."""
        self.code = code
        os.write(self._writing, b".")


def main(spec: dict[str, Any]) -> int:
    """Start the child, guard it to its end, clean up, and return its exit code.

    Raises:
        Forked: in the child, if the spec has it forked.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    report = os.dup(1)
    _send_output_to(spec["log"])
    wake = Wake()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: wake.up())
    try:
        pid, wait = _started(spec)
    except Exception as error:
        os.write(report, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        return 1
    ended = threading.Event()
    threading.Thread(target=_report_end, args=(wait, wake, ended), daemon=True).start()
    os.write(report, json.dumps({"pid": pid}).encode() + b"\n")
    try:
        _guard(wake)
    finally:
        _end(pid, ended, spec["stop_signal"], spec["grace"])
        _tell_last_words(report, spec["log"])
        for folder in spec["cleanup"]:
            remove(Path(folder))
    return wake.code or 0


def _started(spec: dict[str, Any]) -> tuple[int, Callable[[], int]]:
    """Start the child; return its process id and a function that waits for its exit code."""
    if spec["forked"]:
        return _started_by_fork(spec)
    if spec["sandbox"] is None:
        child = subprocess.Popen(
            spec["command"],
            env=spec["env"],
            cwd=spec["cwd"],
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: _before_child(spec["user"]),
        )
        return child.pid, child.wait
    return _started_in_sandbox(spec)


def _started_by_fork(spec: dict[str, Any]) -> tuple[int, Callable[[], int]]:
    if pid := os.fork():
        return pid, lambda: _exit_code(pid)
    _before_child(spec["user"])
    raise Forked(spec)


def _exit_code(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # it was ended, and waited for, in :func:`_end`
        return -signal.SIGKILL


def _before_child(user: str) -> None:
    if user:
        _become(user)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after that: a change of user forgets it


def _become(user: str) -> None:
    """Give up root for another user, who may still reach files in folders of root's.

    Raises:
        OSError: the right to do so is not there.
    """
    found = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(found.pw_gid)
    _prctl(PR_SET_KEEPCAPS, 1)
    os.setuid(found.pw_uid)
    if sys.platform == "linux":
        only = 1 << CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(*CAPABILITIES_OF_THIS_PROCESS)
        words = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)
        _must(ctypes.CDLL(None, use_errno=True).capset(header, words))
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _started_in_sandbox(spec: dict[str, Any]) -> tuple[int, Callable[[], int]]:
    """Start the child in a sandbox, of which a thread of this process is the supervisor."""
    from sandlock import Sandbox, StdioMode

    from streamgym.stack.syscalls import restrict

    policy = dict(spec["sandbox"])
    pretended = policy.pop("pretended", ())
    supervisor = ThreadPoolExecutor(1, initializer=restrict, initargs=(pretended,))
    sandbox = Sandbox(**policy, clean_env=True, env=spec["env"], cwd=spec["cwd"])
    process = supervisor.submit(sandbox.popen, spec["command"], stdin=StdioMode.NULL).result()
    return int(process.pid or 0), lambda: int(supervisor.submit(process.wait).result().exit_code)


def _report_end(wait: Callable[[], int], wake: Wake, ended: threading.Event) -> None:
    code = wait()
    ended.set()
    wake.up(code)


def _guard(wake: Wake) -> None:
    """Wait until the child ends, a signal comes, or the owner goes without having detached."""
    watched = [0, wake.reading]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if wake.reading in ready:
            return
        if os.read(0, 100) != b"detach\n":
            return
        watched.remove(0)


def _end(pid: int, ended: threading.Event, stop_signal: int, grace: float) -> None:
    """End the child, first politely, then it and all it started by force."""
    if not ended.is_set():
        _signal(pid, stop_signal)
        ended.wait(grace)
    import psutil

    while left := psutil.Process().children(recursive=True):
        for process in left:
            _signal(process.pid, signal.SIGKILL)
        psutil.wait_procs(left, timeout=1)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _tell_last_words(report: int, log: str | None) -> None:
    """Send the end of the log to the owner, before the log may be removed."""
    with contextlib.suppress(OSError):
        os.write(report, Path(log or os.devnull).read_bytes()[-LAST_WORDS:])


def _send_output_to(log: str | None) -> None:
    with Path(log or os.devnull).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _prctl(option: int, *values: int) -> None:
    if sys.platform == "linux":
        arguments = (ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4])
        _must(ctypes.CDLL(None, use_errno=True).prctl(option, *arguments))


def _must(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.stdin.buffer.readline())))
