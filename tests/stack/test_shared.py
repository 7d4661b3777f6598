"""The learner's stack: shared, restarted, and never left behind."""

import json
import os
import signal
import subprocess
import sys

import pytest

from streamgym.checks import topics
from streamgym.errors import StreamgymError
from streamgym.stack import doctor, shared
from streamgym.stack.kept import Identity

from .test_keeper import assert_gone, children_of

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def ended():
    yield
    shared.down()


def run(code):
    """Start another process that uses the shared stack."""
    return subprocess.Popen(
        [sys.executable, "-c", f"from streamgym.stack import shared\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


OWNING = "print(shared.address('kafka'), flush=True); import time; time.sleep(1000)"


def recorded():
    return shared._read("kafka")


def test_up_is_found_by_others_and_down_ends_it_twice():
    address = shared.up(["kafka"])["kafka"]
    assert run("print(shared.up(['kafka'])['kafka'])").communicate()[0].strip() == address
    assert [(s.name, s.state) for s in shared.status()] == [
        ("kafka", "running"),
        ("spark", "stopped"),
    ]
    server = recorded().server
    assert shared.down() == ["kafka"]
    assert_gone(server)
    assert shared.down() == []


def test_two_ups_at_once_start_one():
    both = [run("print(shared.up(['kafka'])['kafka'])") for _ in range(2)]
    first, second = (process.communicate(timeout=60)[0] for process in both)
    assert first == second != ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_starter_that_is_stopped_during_the_start_leaves_nothing(number):
    starter = run("shared.up(['kafka'])")
    keeper, java = children_of(starter.pid, 2)[:2]
    starter.send_signal(number)
    starter.communicate(timeout=30)
    assert_gone(keeper, java)
    assert shared.up(["kafka"])


def test_what_a_process_started_for_itself_ends_with_it():
    owner = run(OWNING)
    owner.stdout.readline()
    server = recorded().server
    owner.kill()
    owner.communicate()
    assert_gone(server)
    assert shared.status()[0].state == "crashed"
    assert shared.address("kafka")


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_after_a_crash_the_next_use_goes_on_with_the_same_data(victim):
    address = shared.address("kafka")
    topic = topics.create(address)
    topics.produce(address, topic, [{"n": 1}], "")
    before = recorded()
    os.kill(getattr(before, victim).pid, signal.SIGKILL)
    assert_gone(before.server, before.keeper)
    assert topics.read(shared.address("kafka"), topic) == [{"n": 1}]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "stale"])
def test_a_stale_state_file_is_no_obstacle(content):
    if content == "stale":
        mine = Identity.of(os.getpid())
        record = shared.Record("127.0.0.1:9", mine.pid, 1.0, mine.pid, 1.0)
        content = json.dumps(record.__dict__)
    shared._path("kafka").write_text(content)
    assert shared.status()[0].state in ("stopped", "crashed")
    assert shared.up(["kafka"])


def test_a_cluster_elsewhere_is_used_instead(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:9092")
    monkeypatch.setenv("SPARK_REMOTE", "sc://spark:15002")
    assert shared.address("kafka") == "broker:9092"
    assert shared.address("spark") == "sc://spark:15002"
    assert {s.state.split()[0] for s in shared.status()} == {"elsewhere"}


def test_a_port_that_is_no_port_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("STREAMGYM_KAFKA_PORT", "ninety")
    with pytest.raises(StreamgymError, match="STREAMGYM_KAFKA_PORT is 'ninety'"):
        shared.up(["kafka"])


def test_the_doctor_finds_all_well_and_names_a_remedy(monkeypatch):
    assert [f.name for f in doctor.findings() if not f.ok] == []
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert [f.name for f in doctor.findings() if not f.ok] == ["Python"]
    assert all(f.remedy for f in doctor.findings() if not f.ok)
