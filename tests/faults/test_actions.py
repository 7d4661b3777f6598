"""Whom ``KillClient`` kills, when two processes have connections with the same port."""

import socket
import subprocess
import sys

from streamgym.faults.actions import _kill_owner
from streamgym.stack.ports import LOOPBACK

CLIENT = """
import socket, sys
own, other = map(int, sys.argv[1:])
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
client.bind(("127.0.0.1", own))
client.connect(("127.0.0.1", other))
client.recv(1)
"""


def server():
    return socket.create_server((LOOPBACK, 0))


def connected(to, own):
    """Return a process that is connected to a server from this port of its own."""
    ports = (str(own), str(to.getsockname()[1]))
    client = subprocess.Popen([sys.executable, "-c", CLIENT, *ports])
    return client, to.accept()


def test_a_process_with_the_same_port_to_another_server_lives():
    with server() as mine, server() as others, socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
        victim, _kept = connected(mine, port)
        bystander, _also = connected(others, port)
        try:
            _kill_owner(port, mine.getsockname()[1])
            assert victim.wait(10) < 0
            assert bystander.poll() is None
        finally:
            for process in (victim, bystander):
                process.kill()
                process.wait()
