"""Kafka as a context manager."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient

from streamgym.checks import topics
from streamgym.errors import StreamgymError
from streamgym.stack import kafka as stack_kafka
from streamgym.stack.kafka import Kafka
from streamgym.stack.kept import Identity

from .processes import assert_gone, identities, kill

pytestmark = pytest.mark.stack


def test_records_survive_an_orderly_restart_and_a_crash(tmp_path):
    home = tmp_path / "home"
    with Kafka(home) as broker:
        topic = topics.create(broker.bootstrap_servers)
        topics.produce(broker.bootstrap_servers, topic, [{"n": 1}], "")
    assert start_and_read(home, topic) < 8
    with Kafka(home) as broker:
        os.kill(broker.kept.pid, signal.SIGKILL)
    assert start_and_read(home, topic) < 8


def start_and_read(home, topic):
    """Return the seconds from the start to the record; Kafka's own broker session is 9 s."""
    begin = time.monotonic()
    with Kafka(home) as broker:
        assert topics.read(broker.bootstrap_servers, topic) == [{"n": 1}]
        return time.monotonic() - begin


def test_a_temporary_home_is_removed():
    with Kafka() as broker:
        home, process = broker.home, Identity.of(broker.kept.pid)
        assert home.exists()
    assert not home.exists()
    assert_gone(process)


def test_a_killed_owner_leaves_neither_process_nor_home(python):
    owner = python("""
import time
from streamgym.stack.kafka import Kafka
server = Kafka().start()
print(server.home, flush=True)
print(server.kept.keeper.pid, server.kept.pid, flush=True)
time.sleep(1000)
""")
    home, processes = Path(owner.stdout.readline().strip()), identities(owner.stdout.readline())
    kill(owner)
    assert_gone(*processes)
    assert not home.exists()


def test_whoever_is_killed_while_copying_the_storage_does_no_harm(tmp_path):
    half = tmp_path / "home" / "log.partial"
    half.mkdir(parents=True)
    (half / "meta.properties").write_text("half of i")
    with Kafka(tmp_path / "home") as broker:
        assert topics.create(broker.bootstrap_servers)


def test_it_stays_below_its_memory():
    with Kafka() as broker:
        topic = topics.create(broker.bootstrap_servers, 3)
        topics.produce(broker.bootstrap_servers, topic, [{"n": n} for n in range(2000)], "n")
        assert psutil.Process(broker.kept.pid).memory_info().rss < 400 * 2**20


def test_a_failed_start_says_why_and_removes_a_temporary_home(monkeypatch):
    monkeypatch.setitem(stack_kafka.SETTINGS, "num.io.threads", "many")
    broker = Kafka()
    with pytest.raises(StreamgymError, match=r"kafka ended while it started: .*num.io.threads"):
        broker.start()
    assert not broker.home.exists()
    assert not broker.started


def test_a_folder_of_another_node_is_refused_with_kafkas_reason(tmp_path):
    home = tmp_path / "home"
    with Kafka(home):
        pass
    (home / "log" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    with pytest.raises(StreamgymError, match=r"kafka ended while it started: .*node") as error:
        Kafka(home).start()
    assert "\n" not in str(error.value)


def test_two_brokers_do_not_meet():
    with Kafka() as one, Kafka() as other:
        topic = topics.create(one.bootstrap_servers)
        admin = KafkaAdminClient(bootstrap_servers=other.bootstrap_servers)
        assert topic not in admin.list_topics()
        admin.close()
