"""A process that has imported what most workers import, and forks keepers of workers from itself.

Run as ``python -m streamgym.stack.forkserver SOCKET FOLDER``, by :mod:`.forked`; when its owner
closes the socket, or goes, it ends after the last of its keepers, and removes the folder. It does
for scripts what :mod:`multiprocessing`'s does for functions.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from streamgym.stack import keeper
from streamgym.stack.removal import remove

PRELOADED = ("kafka", "pandas", "psycopg", "pyarrow.parquet")


def main(owner: socket.socket, folder: Path) -> None:
    """Fork a keeper whenever the owner asks for one, until it goes.

    Raises:
        keeper.Forked: in the child of a keeper.
    """
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper
    while pipes := socket.recv_fds(owner, 1, 3)[1]:
        if pid := os.fork():
            owner.sendall(pid.to_bytes(4, "big"))
            for pipe in pipes:
                os.close(pipe)
        else:
            owner.close()
            _keep(*pipes)
    with suppress(ChildProcessError):  # there are no more
        os.wait()
    remove(folder)


def _keep(stdin: int, stdout: int, status: int) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, pipe in enumerate((stdin, stdout)):
        os.dup2(pipe, number)
        os.close(pipe)
    code = keeper.main(json.loads(sys.stdin.buffer.readline()))
    os.write(status, str(code).encode())
    os._exit(0)


def _become(spec: dict[str, Any]) -> Path:
    """Make this process what ``python SCRIPT`` would be at its first line; return the script."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(spec["env"])
    time.tzset()
    os.chdir(spec["cwd"])
    sys.argv = spec["command"][1:]
    script = Path(sys.argv[0]).absolute()
    sys.path[0] = str(script.parent)
    importlib.invalidate_caches()
    sys.excepthook = _without_ours
    return script


def _without_ours(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an error without what stands above the script."""
    below = trace
    while below and below.tb_frame.f_code.co_filename != sys.modules["__main__"].__file__:
        below = below.tb_next
    sys.__excepthook__(kind, error.with_traceback(below), below)


if __name__ == "__main__":
    try:
        main(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))
        sys.exit()
    except keeper.Forked as forked:
        script = _become(forked.spec)
    worker = sys.modules["__main__"] = ModuleType("__main__")
    worker.__file__ = str(script)
    try:
        exec(compile(script.read_bytes(), script, "exec"), vars(worker))
    finally:  # as Python does, before it prints an error
        for stream in (sys.stderr, sys.stdout):
            with suppress(Exception):
                stream.flush()
