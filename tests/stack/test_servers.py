"""Kafka and Spark as context managers."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient

from streamgym.checks import topics
from streamgym.errors import StreamgymError
from streamgym.stack import ports
from streamgym.stack.kafka import Kafka
from streamgym.stack.kept import Identity
from streamgym.stack.spark import Spark

from .test_keeper import assert_gone

pytestmark = pytest.mark.stack


def test_a_query_on_spark_reads_a_topic(kafka, spark):
    topic = topics.create(kafka)
    topics.produce(kafka, topic, [{"n": n} for n in range(7)], "")
    source = spark.read.format("kafka").option("kafka.bootstrap.servers", kafka)
    assert source.option("subscribe", topic).load().count() == 7


def test_records_survive_an_orderly_restart_and_a_crash(tmp_path):
    home = tmp_path / "home"
    with Kafka(home) as broker:
        topic = topics.create(broker.bootstrap_servers)
        topics.produce(broker.bootstrap_servers, topic, [{"n": 1}], "")
    with Kafka(home) as broker:
        assert topics.read(broker.bootstrap_servers, topic) == [{"n": 1}]
        os.kill(broker.kept.pid, signal.SIGKILL)
    begin = time.monotonic()
    with Kafka(home) as broker:
        assert topics.read(broker.bootstrap_servers, topic) == [{"n": 1}]
    assert time.monotonic() - begin < 8  # Kafka's own broker session is 9 s


def test_a_temporary_home_is_removed():
    with Kafka() as broker:
        home, process = broker.home, Identity.of(broker.kept.pid)
        assert home.exists()
    assert not home.exists()
    assert_gone(process)


def test_it_stays_below_its_memory():
    with Kafka() as broker:
        topic = topics.create(broker.bootstrap_servers, 3)
        topics.produce(broker.bootstrap_servers, topic, [{"n": n} for n in range(2000)], "n")
        assert psutil.Process(broker.kept.pid).memory_info().rss < 400 * 2**20


def test_a_port_in_use_is_named_with_its_owner():
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StreamgymError, match=rf"port {port} is in use by .*{os.getpid()}"):
            Kafka(port=port).start()


def test_a_server_that_ends_says_why(tmp_path):
    home = tmp_path / "home"
    with Kafka(home):
        pass
    (home / "log" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    with pytest.raises(StreamgymError, match=r"kafka ended while it started: .*node"):
        Kafka(home).start()


def test_no_java_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMGYM_JAVA_HOME", str(tmp_path))
    with pytest.raises(StreamgymError, match="STREAMGYM_JAVA_HOME names no Java"):
        Kafka().start()


def test_a_killed_owner_leaves_no_spark():
    code = """
import time
from streamgym.stack.spark import Spark
server = Spark().start()
print(server.kept.keeper.pid, server.kept.pid, server.home, flush=True)
time.sleep(1000)
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    keeper, java, home = owner.stdout.readline().split()
    processes = Identity.of(int(keeper)), Identity.of(int(java))
    owner.kill()
    owner.wait()
    assert_gone(*processes)
    assert not Path(home).exists()


def test_two_brokers_do_not_meet():
    with Kafka() as one, Kafka() as other:
        topic = topics.create(one.bootstrap_servers)
        admin = KafkaAdminClient(bootstrap_servers=other.bootstrap_servers)
        assert topic not in admin.list_topics()
        admin.close()


def test_a_spark_has_a_ui_for_its_metrics():
    with Spark() as server:
        socket.create_connection((ports.LOOPBACK, server.ui_port), timeout=5).close()
