"""Spark as a context manager."""

import os
import signal
import socket
from pathlib import Path

import pytest

from streamgym.checks import topics
from streamgym.grading.spark import SandboxedSpark
from streamgym.stack.kept import Identity
from streamgym.stack.ports import LOOPBACK
from streamgym.stack.session import close_session, spark_session
from streamgym.stack.spark import Spark

from .processes import assert_gone, identities, kill

pytestmark = pytest.mark.stack


def filled(kafka):
    topic = topics.create(kafka)
    topics.produce(kafka, topic, [{"n": n} for n in range(7)], "")
    return topic


def count(spark, kafka, topic):
    source = spark.read.format("kafka").option("kafka.bootstrap.servers", kafka)
    return source.option("subscribe", topic).load().count()


def test_a_query_on_spark_reads_a_topic(kafka, spark):
    assert spark.range(5).count() == 5
    assert count(spark, kafka, filled(kafka)) == 7


def test_it_works_in_a_sandbox_which_a_killed_keeper_ends(kafka, spark):
    with SandboxedSpark([kafka]) as server:
        assert count(spark_session(server.remote), kafka, filled(kafka)) == 7
        close_session(server.remote)
        java = Identity.of(server.kept.pid)
        os.kill(server.kept.keeper.pid, signal.SIGKILL)
        assert_gone(java)
    assert not server.home.exists()


def test_a_session_is_made_anew_when_it_was_closed():
    with Spark() as server:
        first = spark_session(server.remote)
        assert spark_session(server.remote) is first
        close_session(server.remote)
        assert spark_session(server.remote).range(3).count() == 3
        close_session(server.remote)


def test_a_killed_owner_leaves_no_spark(python):
    owner = python("""
import time
from streamgym.stack.spark import Spark
server = Spark().start()
print(server.home, flush=True)
print(server.kept.keeper.pid, server.kept.pid, flush=True)
time.sleep(1000)
""")
    home, processes = Path(owner.stdout.readline().strip()), identities(owner.stdout.readline())
    kill(owner)
    assert_gone(*processes)
    assert not home.exists()


def test_it_has_a_ui_for_its_metrics():
    with Spark() as server:
        socket.create_connection((LOOPBACK, server.ui_port), timeout=5).close()
