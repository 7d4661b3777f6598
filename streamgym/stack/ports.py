"""Ports on the loopback interface."""

import contextlib

import psutil
from ephemeral_port_reserve import reserve

from streamgym.errors import StreamgymError

LOOPBACK = "127.0.0.1"


def free_port(wanted: int = 0) -> int:
    """Return ``wanted``, or any free port; nobody else is given it for a minute.

    The port is left in TIME_WAIT, so that the kernel hands it to nobody, while a server that names
    it may bind it (the method of Yelp's ephemeral-port-reserve).

    Raises:
        StreamgymError: the port that is wanted is in use.
    """
    try:
        port = int(reserve(LOOPBACK, wanted))
    except PermissionError:
        raise StreamgymError(f"port {wanted} is reserved: choose one above 1023") from None
    if wanted not in (0, port):  # reserve falls back on a free port
        raise StreamgymError(
            f"port {wanted} is in use{_by_whom(wanted)}: stop that, or choose another port"
        )
    return port


def _by_whom(port: int) -> str:
    with contextlib.suppress(psutil.Error):  # macOS tells only root
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,):
                return f" by {_named(connection.pid)}"
    return ""


def _named(pid: int | None) -> str:
    return f"{psutil.Process(pid).name()} (process {pid})" if pid else "another user"
