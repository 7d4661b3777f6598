import os
import socket
from unittest.mock import patch

import psutil
import pytest

from streamgym.errors import StreamgymError
from streamgym.stack.kafka import Kafka
from streamgym.stack.ports import LOOPBACK, free_port


@pytest.fixture
def taken():
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_free_port_is_given_to_one_alone():
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100
    with socket.create_server((LOOPBACK, 0)) as other:
        assert other.getsockname()[1] not in ports


def test_a_server_may_bind_what_it_was_given():
    port = free_port()
    assert free_port(port) == port
    socket.create_server((LOOPBACK, port)).close()


def test_a_port_in_use_is_named_with_its_process(taken):
    with pytest.raises(StreamgymError, match=rf"port {taken} is in use by .*{os.getpid()}"):
        free_port(taken)


def test_a_port_in_use_is_named_where_processes_may_not_be_listed(taken):
    with (
        patch("psutil.net_connections", side_effect=psutil.AccessDenied),
        pytest.raises(StreamgymError, match=rf"port {taken} is in use: stop that"),
    ):
        free_port(taken)


def test_a_reserved_port_is_one_line():
    with (
        patch("streamgym.stack.ports.reserve", side_effect=PermissionError),
        pytest.raises(StreamgymError, match="port 80 is reserved: choose one above 1023"),
    ):
        free_port(80)


def test_a_server_on_a_port_in_use_leaves_no_home(taken):
    broker = Kafka(port=taken)
    with pytest.raises(StreamgymError, match=f"port {taken} is in use"):
        broker.start()
    assert not broker.home.exists()
