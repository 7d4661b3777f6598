"""11. Network: everything but the own broker."""

from .attack import DOUBLE, LAB, POINTS, Attack, in_worker, reading, tried
from .catalogue import Around

REFUSED = "ConnectionRefusedError"
SOCKET = "import socket"
MPTCP = 262


def attacks(around: Around) -> list[Attack]:
    """Return the attacks that connect or listen; each says what came of it."""
    beside = f"('127.0.0.1', {around.listener})"
    connect = "socket.create_connection({}, timeout=2)"
    multipath = f"socket.socket(proto={MPTCP}).connect({beside})"
    fast = f"socket.socket().sendto(b'x', socket.MSG_FASTOPEN, {beside})"
    return [
        reading("connects out", connect.format("('192.0.2.1', 80)"), REFUSED, SOCKET),
        reading("connects beside", connect.format(beside), REFUSED, SOCKET),
        reading(
            "connects by IPv6",
            f"socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', {around.listener}))",
            REFUSED,
            SOCKET,
        ),
        reading("connects by multipath", multipath, "PermissionError", SOCKET),
        reading("connects by fast open", fast, REFUSED, SOCKET),
        reading(
            "sends datagrams",
            f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', {beside})",
            "Error",
            SOCKET,
        ),
        reading(
            "a false broker on a port",
            "socket.create_server(('127.0.0.1', 45671))",
            "PermissionError",
            SOCKET,
        ),
        reading(
            "a false broker by multipath",
            f"socket.socket(proto={MPTCP}).bind(('127.0.0.1', 45672))",
            "PermissionError",
            SOCKET,
        ),
        reading(
            "connects to a unix socket",
            "socket.socket(socket.AF_UNIX).connect('\\0streamgym')",
            "Error",
            SOCKET,
        ),
        Attack(
            "a worker connects beside",
            (
                LAB,
                in_worker(f"{SOCKET}\n" + tried(connect.format(beside), "got")),
                DOUBLE,
            ),
            POINTS["double"],
            REFUSED,
        ),
        Attack(
            "a broker that leads elsewhere",
            (
                LAB,
                "import os\nfrom kafka import KafkaAdminClient\n"
                f"os.environ['KAFKA_BOOTSTRAP_SERVERS'] = '127.0.0.1:{around.listener}'",
                tried(
                    f"KafkaAdminClient(bootstrap_servers='127.0.0.1:{around.listener}', "
                    "bootstrap_timeout_ms=2000)"
                ),
                DOUBLE,
            ),
            POINTS["double"],
            "Error",
        ),
    ]
