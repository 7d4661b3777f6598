"""The proxy on a real broker, with the three families of clients that labs use."""

import json
import os
import subprocess
import threading
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer, KafkaProducer

from streamgym.checks import topics
from streamgym.checks.payments import Payments
from streamgym.errors import StreamgymError
from streamgym.faults.actions import Cut, Delay, Hold, KillAfter, KillBefore, Refuse, Rule
from streamgym.faults.proxy import Proxy
from streamgym.faults.trace import Fate
from streamgym.stack import kafka as broker

pytestmark = pytest.mark.stack
TEXTS = [f"text {number}" for number in range(12)]


@pytest.fixture
def through(kafka):
    """Make a proxy with these rules, and a producer whose every record is a request."""
    opened = []

    def make(*rules, **settings):
        proxy = Proxy(rules)
        address = proxy.address(kafka)
        producer = KafkaProducer(bootstrap_servers=address, batch_size=1, **settings)
        opened.append((proxy, producer))
        return proxy, producer

    yield make
    for proxy, producer in opened:
        producer.close(timeout=0.2)
        proxy.close()


def send(producer, topic, texts=TEXTS):
    for text in texts:
        producer.send(topic, json.dumps({"text": text}).encode(), partition=0)
    producer.flush(timeout=30)


def texts(kafka, topic):
    return [record["text"] for record in topics.read(kafka, topic)]


def produced(proxy):
    return [event for event in proxy.trace.events if event.kind == "Produce"]


# Clients


def test_kafka_python(kafka, target, through):
    proxy, producer = through()
    send(producer, target)
    consumer = KafkaConsumer(
        target,
        bootstrap_servers=proxy.address(kafka, "reader"),
        group_id=f"{target}-g",
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    got = [json.loads(next(consumer).value)["text"] for _ in TEXTS]
    consumer.close()
    assert got == TEXTS
    assert all(event.fate is Fate.ANSWERED for event in produced(proxy))
    assert {e.lane for e in proxy.trace.events} == {"worker", "reader"}
    assert proxy.trace.groups == {f"{target}-g"}
    kinds = {event.kind for event in proxy.trace.events}
    assert {"ApiVersions", "Metadata", "Produce", "JoinGroup", "Fetch", "OffsetCommit"} <= kinds
    assert not [kind for kind in kinds if kind.startswith("request ")]


def test_confluent_kafka(kafka, target):
    with Proxy() as proxy:
        address = proxy.address(kafka)
        producer = Producer({"bootstrap.servers": address, "transactional.id": target})
        producer.init_transactions(20)
        producer.begin_transaction()
        for text in TEXTS:
            producer.produce(target, json.dumps({"text": text}))
        producer.commit_transaction(20)
        settings = {"bootstrap.servers": address, "group.id": target}
        consumer = Consumer(settings | {"auto.offset.reset": "earliest"})
        consumer.subscribe([target])
        got = [json.loads(consumer.poll(20).value())["text"] for _ in TEXTS]
        consumer.commit(asynchronous=False)
        consumer.close()
        kinds = [event.kind for event in proxy.trace.durable()]
    assert got == TEXTS == texts(kafka, target)
    assert {"InitProducerId", "AddPartitionsToTxn", "Produce", "EndTxn", "OffsetCommit"} <= set(
        kinds
    )


def test_the_java_client(kafka, target):
    with Proxy() as proxy:
        address = proxy.address(kafka)
        lines = "\n".join(json.dumps({"text": text}) for text in TEXTS)
        java("ConsoleProducer", address, target, lines)
        limit = ["--from-beginning", "--max-messages", str(len(TEXTS)), "--group", target]
        got = java("consumer.ConsoleConsumer", address, target, "", *limit)
        kinds = {event.kind for event in proxy.trace.durable()}
    assert [json.loads(line)["text"] for line in got.splitlines()] == TEXTS == texts(kafka, target)
    assert {"InitProducerId", "Produce", "OffsetCommit"} <= kinds


def java(tool, address, topic, given, *options):
    main = [*broker._java(), f"org.apache.kafka.tools.{tool}", "--bootstrap-server", address]
    command = [*main, "--topic", topic, *options]
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Actions


def test_a_lost_acknowledgement_is_retried_and_an_idempotent_producer_writes_once(
    kafka, target, through
):
    proxy, producer = through(Rule("Produce", Cut(), 3))
    send(producer, target)
    assert texts(kafka, target) == TEXTS
    assert produced(proxy)[2].fate is Fate.UNANSWERED


def test_without_idempotence_a_lost_acknowledgement_doubles_a_record(kafka, target, through):
    settings = {"enable_idempotence": False, "max_in_flight_requests_per_connection": 1}
    _, producer = through(Rule("Produce", Cut(), 3), **settings)
    send(producer, target)
    assert texts(kafka, target) == [*TEXTS[:3], *TEXTS[2:]]


def test_an_unacknowledged_request_is_delivered_before_the_connection_is_cut(
    kafka, target, through
):
    proxy, producer = through(Rule("Produce", Cut(), 1), enable_idempotence=False, acks=0)
    send(producer, target, TEXTS[:1])
    assert proxy.rules[0].done.wait(20)
    assert texts(kafka, target) == TEXTS[:1]


def test_a_refused_client_comes_back(kafka, target, through):
    proxy, producer = through(Rule("Produce", Refuse(2), 3))
    send(producer, target)
    assert texts(kafka, target) == TEXTS
    assert produced(proxy)[2].fate is Fate.UNDELIVERED


def test_a_held_request_waits_until_it_is_told(kafka, target, through):
    hold = Hold()
    proxy, producer = through(Rule("Produce", hold, 2))
    sender = threading.Thread(target=send, args=(producer, target))
    sender.start()
    assert hold.reached.wait(20)
    assert texts(kafka, target) == TEXTS[:1]
    assert len(produced(proxy)) == 2  # nothing more is read from this connection
    hold.release()
    sender.join()
    assert texts(kafka, target) == TEXTS


def test_a_delayed_request_arrives_later(kafka, target, through):
    proxy, producer = through(Rule("Produce", Delay(0.5), 1))
    send(producer, target, TEXTS[:2])
    first, second = produced(proxy)
    assert second.seconds - first.seconds >= 0.5
    assert texts(kafka, target) == TEXTS[:2]


@pytest.mark.parametrize(("action", "arrives"), [(KillBefore, 2), (KillAfter, 3)])
def test_before_and_after_a_request(kafka, target, through, action, arrives):
    killed = threading.Event()
    proxy, producer = through(Rule("Produce", action(killed.set), 3), max_block_ms=500)
    sender = threading.Thread(target=send, args=(producer, target), daemon=True)
    sender.start()
    assert killed.wait(20)
    assert proxy.rules[0].done.wait(20)
    assert texts(kafka, target) == TEXTS[:arrives]
    proxy.reopen()
    sender.join()
    assert texts(kafka, target) == TEXTS


def test_a_rule_acts_on_its_lane_and_as_often_as_it_says(kafka, target):
    rule = Rule("Produce", Cut(), lane="b", times=2)
    with Proxy([rule]) as proxy:
        for lane in ("a", "b"):
            producer = KafkaProducer(bootstrap_servers=proxy.address(kafka, lane), batch_size=1)
            send(producer, target, TEXTS[:3])
            producer.close()
        cut = [e.lane for e in produced(proxy) if e.fate is Fate.UNANSWERED]
    assert cut == ["b", "b"]
    assert texts(kafka, target) == TEXTS[:3] * 2


# Other systems


def test_a_web_service():
    with Payments() as payments, Proxy() as proxy:
        url = proxy.environment({"PAYMENTS_URL": payments.url})["PAYMENTS_URL"]
        for key in ("a", "b", "a"):
            body = json.dumps({"order": 1, "amount": 5}).encode()
            request = urllib.request.Request(url, body, {"Idempotency-Key": key})
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert json.load(answer)["order"] == 1
        assert [event.kind for event in proxy.trace.durable()] == ["POST"] * 3
    assert len(payments.charges) == 2


@pytest.mark.parametrize("address", ["broker:9092", "10.0.0.1:9092", "a:1,b:2", "ftp://a:1"])
def test_only_systems_on_this_machine_are_disturbed(address):
    with Proxy() as proxy, pytest.raises(StreamgymError, match="unset KAFKA_BOOTSTRAP_SERVERS"):
        proxy.address(address)
