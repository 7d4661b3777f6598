"""The learner's stack: shared, restarted, and never left behind."""

import json
import os
import signal
import threading

import psutil
import pytest

from streamgym.checks import topics
from streamgym.errors import StreamgymError
from streamgym.stack import paths, ports, shared
from streamgym.stack.kept import Identity

from .processes import assert_gone, children_of, kill

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def ended():
    yield
    shared.down()


@pytest.fixture
def run(python):
    """Start another process that uses the shared stack."""
    return lambda code: python(f"from streamgym.stack import shared\n{code}")


OWNING = "print(shared.address('kafka'), flush=True); import time; time.sleep(1000)"


def recorded():
    return shared._read("kafka")


def javas():
    """Return the JVMs whose home is in this test's state folder."""
    home = str(paths.state())
    found = [p for p in psutil.process_iter(["cmdline"]) if home in str(p.info["cmdline"])]
    return [p.pid for p in found if "kafka.Kafka" in p.info["cmdline"]]


def test_up_is_found_by_others_and_down_ends_it_twice(run):
    address = shared.up(["kafka"])["kafka"]
    assert run("print(shared.up(['kafka'])['kafka'])").communicate()[0].strip() == address
    assert [(s.name, s.state) for s in shared.status()] == [
        ("kafka", "running"),
        ("spark", "stopped"),
        ("postgres", "stopped"),
    ]
    server = recorded().server
    assert shared.down() == ["kafka"]
    assert_gone(server)
    assert shared.down() == []


def test_two_ups_at_once_start_one(run):
    both = [run("print(shared.up(['kafka'])['kafka'])") for _ in range(2)]
    first, second = (process.communicate(timeout=60)[0] for process in both)
    assert first == second != ""
    assert javas() == [recorded().pid]


def test_two_threads_at_once_start_one():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(shared.address("kafka"))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [found[0]] * 2
    assert len(javas()) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_starter_that_is_stopped_during_the_start_leaves_nothing(run, number):
    starter = run("shared.up(['kafka'])")
    keeper, java = children_of(starter.pid, 2)[:2]
    starter.send_signal(number)
    starter.communicate(timeout=30)
    assert_gone(keeper, java)
    assert shared.up(["kafka"])


def test_what_a_process_started_for_itself_ends_with_it(run):
    owner = run(OWNING)
    owner.stdout.readline()
    before = recorded()
    kill(owner)
    assert_gone(before.server, before.keeper)
    assert shared.status()[0].state == "stopped"
    assert shared.address("kafka")


def test_a_server_that_is_ending_with_its_owner_is_not_handed_out(run):
    owner = run(OWNING)
    owner.stdout.readline()
    before = recorded()
    os.kill(before.pid, signal.SIGSTOP)  # it takes its time to end
    kill(owner)
    address = shared.address("kafka")
    assert recorded().server != before.server
    assert topics.create(address)
    assert_gone(before.server, before.keeper)


def test_the_next_one_takes_over_what_outlives_a_killed_keeper_of_an_owner(run):
    owner = run(OWNING)
    owner.stdout.readline()
    before = recorded()
    os.kill(before.keeper.pid, signal.SIGKILL)
    assert_gone(before.keeper)
    assert shared.up(["kafka"])
    assert_gone(before.server)
    assert javas() == [recorded().pid]
    kill(owner)
    assert topics.create(shared.address("kafka"))


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
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/shop")
    assert shared.address("kafka") == "broker:9092"
    assert shared.address("spark") == "sc://spark:15002"
    assert {s.state.split()[0] for s in shared.status()} == {"elsewhere"}


def test_a_port_that_is_no_port_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("STREAMGYM_KAFKA_PORT", "ninety")
    with pytest.raises(StreamgymError, match="STREAMGYM_KAFKA_PORT is 'ninety'"):
        shared.up(["kafka"])


def test_a_port_of_ones_own_is_kept_over_a_restart(monkeypatch):
    monkeypatch.setenv("STREAMGYM_KAFKA_PORT", str(ports.free_port()))
    first = shared.up(["kafka"])
    shared.down(["kafka"])
    assert shared.up(["kafka"]) == first
