"""Right answers of another kind, and the wrong ones that people really give."""

from pathlib import Path

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, swap, wrong

lab = load_exercises("04_delivery_guarantees")
durable_producer, at_least_once, at_most_once, predict = (
    lab["durable_producer"],
    lab["at_least_once"],
    lab["at_most_once"],
    lab["predict"],
)
next_offsets, after_rebalance, deduplicate, poison = (
    lab["next_offsets"],
    lab["after_rebalance"],
    lab["deduplicate"],
    lab["poison"],
)

ENDS = "the worker ends in order"
LOST, TWICE, ORDER = (
    "nothing is lost",
    "nothing is duplicated",
    "the orders of a customer keep their order",
)

# durable_producer

SETTINGS = 'acks="all", enable_idempotence=True'


@right(durable_producer)
def with_the_defaults(script):
    return swap(swap(script, f", {SETTINGS}", ""), "producer.flush()", "producer.close()")


@right(durable_producer)
def one_after_the_other(script):
    settings = "acks=-1, enable_idempotence=True, max_in_flight_requests_per_connection=1"
    waiting = swap(script, SETTINGS, settings)
    return swap(waiting, "json.dumps(order).encode())", "json.dumps(order).encode()).get(30)")


@right(durable_producer)
def in_larger_batches(script):
    return swap(
        swap(script, '"batch_size": 1', '"linger_ms": 50'), "**COMMON, ", "**COMMON, retries=20, "
    )


@wrong(
    durable_producer,
    misconception="acks=0: nobody notices",
    fails="it waits for all in-sync replicas",
    hint=2,
)
def without_waiting(script):
    return swap(script, SETTINGS, "acks=0")


@wrong(
    durable_producer,
    misconception="acks=1 is enough",
    fails="it waits for all in-sync replicas",
    hint=7,
)
def leader_only(script):
    return swap(script, SETTINGS, "acks=1")


@wrong(durable_producer, misconception="idempotence with acks=1", fails=ENDS, hint=1)
def settings_that_do_not_fit(script):
    return swap(script, SETTINGS, "acks=1, enable_idempotence=True")


@wrong(durable_producer, misconception="retries are enough", fails=TWICE, hint=5)
def without_idempotence(script):
    settings = 'acks="all", enable_idempotence=False, max_in_flight_requests_per_connection=1'
    return swap(script, SETTINGS, settings)


@wrong(
    durable_producer,
    misconception="more than one request in flight without idempotence",
    fails=ORDER,
    hint=6,
)
def many_in_flight(script):
    return swap(script, SETTINGS, 'acks="all", enable_idempotence=False')


@wrong(
    durable_producer,
    misconception="idempotence switched off silently by another setting",
    fails=TWICE,
    hint=5,
)
def silently_off(script):
    return swap(script, SETTINGS, 'acks="all", max_in_flight_requests_per_connection=10')


@wrong(durable_producer, misconception="retries=0 against doubles", fails=LOST, hint=3)
def without_retries(script):
    return swap(script, SETTINGS, 'acks="all", retries=0')


@wrong(durable_producer, misconception="send() has sent", fails=LOST, hint=4)
def without_flush(script):
    return swap(script, "producer.flush()", "")


@wrong(
    durable_producer,
    misconception="no key, or one that spreads a customer",
    fails="the key of each record is its customer",
    hint=8,
)
def keyed_by_order(script):
    return swap(script, 'order["customer"].encode()', 'str(order["order"]).encode()')


# at_least_once

AGAIN = "no more is handled again than one batch"
WITHOUT, AFTER = "without a crash: ", "after any crash: "
MANUAL = "    enable_auto_commit=False,\n"
SEND = """    for record in batch:
        producer.send(target, key=record.key, value=record.value)
"""
COMMIT, FLUSH = "    consumer.commit()\n", "    producer.flush()\n"


@right(at_least_once)
def per_partition(script):
    return Path(__file__).with_name("per_partition_worker.py").read_text()


@right(at_least_once)
def each_answer_awaited(script):
    waiting = """    sent = [producer.send(target, key=r.key, value=r.value) for r in batch]
    producer.flush()
    for each in sent:
        each.get(10)
"""
    return swap(swap(script, SEND, waiting), FLUSH + COMMIT, COMMIT)


@right(at_least_once)
def with_auto_commit_besides(script):
    return swap(script, MANUAL, "")


@wrong(at_least_once, misconception="commit first", fails=AFTER + LOST, hint=2)
def commit_before_the_work(script):
    return swap(script, SEND + FLUSH + COMMIT, COMMIT + SEND + FLUSH)


@wrong(at_least_once, misconception="auto-commit left on", fails=AFTER + AGAIN, hint=4)
def auto_commit(script):
    return swap(swap(script, MANUAL, ""), COMMIT, "")


@wrong(at_least_once, misconception="commits at the very end", fails=AFTER + AGAIN, hint=4)
def commits_at_the_end(script):
    return swap(script, COMMIT, "") + "\nconsumer.commit()\n"


@wrong(at_least_once, misconception="flush forgotten", fails=AFTER + LOST, hint=3)
def flush_forgotten(script):
    return swap(script, FLUSH, "")


@wrong(
    at_least_once, misconception="spreads a customer over partitions", fails=WITHOUT + ORDER, hint=5
)
def spread(script):
    return swap(script, "record.value)", "record.value, partition=record.offset % 2)")


@wrong(at_least_once, misconception="sends twice to be sure", fails=WITHOUT + AGAIN, hint=6)
def to_be_sure(script):
    return swap(script, SEND, SEND + SEND)


@wrong(at_least_once, misconception="a group begins at the end", fails=WITHOUT + LOST, hint=7)
def from_the_end(script):
    return swap(script, "earliest", "latest")


@wrong(at_least_once, misconception="commits bare numbers", fails=ENDS, hint=1)
def bare_offsets(script):
    numbers = "    consumer.commit({at: consumer.position(at) for at in consumer.assignment()})\n"
    return swap(script, COMMIT, numbers)


# at_most_once

AT_MOST = "no more is lost than one batch"


@right(at_most_once)
def record_by_record(script):
    one = """    for record in batch:
        at = TopicPartition(record.topic, record.partition)
        consumer.commit({at: OffsetAndMetadata(record.offset + 1, "", -1)})
        producer.send(target, key=record.key, value=record.value).get(10)
"""
    names = "from kafka import KafkaConsumer, KafkaProducer"
    script = swap(script, names, f"{names}, OffsetAndMetadata, TopicPartition")
    return swap(swap(script, COMMIT + SEND + FLUSH, one), "linger_ms=1000", "linger_ms=0")


@right(at_most_once)
def commit_only_what_is_there(script):
    return swap(script, COMMIT, "    if not batch:\n        continue\n" + COMMIT)


@wrong(at_most_once, misconception="produce first", fails=AFTER + TWICE, hint=2)
def produce_first(script):
    return swap(script, COMMIT + SEND + FLUSH, SEND + FLUSH + COMMIT)


@wrong(
    at_most_once, misconception="auto-commit taken for at most once", fails=AFTER + TWICE, hint=3
)
def auto_commit_again(script):
    return swap(swap(script, MANUAL, ""), COMMIT, "")


@wrong(
    at_most_once,
    misconception="at most once taken for a leave to lose",
    fails=AFTER + AT_MOST,
    hint=4,
)
def never_flushes(script):
    return swap(script, FLUSH, "")


@wrong(at_most_once, misconception="a group begins at the end", fails=WITHOUT + AT_MOST, hint=5)
def only_what_is_new(script):
    return swap(script, "earliest", "latest")


@wrong(at_most_once, misconception="sends twice to be sure", fails=WITHOUT + TWICE, hint=6)
def twice_to_be_sure(script):
    return swap(script, SEND, SEND + SEND)


@wrong(at_most_once, misconception="commits bare numbers", fails=ENDS, hint=1)
def bare_numbers(script):
    return bare_offsets.answer(script)


# predict

OUTCOME = "the outcome is right: "


def situations(task, judge):
    """Answer each situation from the steps that were done and the habit."""
    found = {}
    for letter, text in task.items():
        steps = text.split(" · (again)")[0].split(" · ")
        last = text.rpartition("“")[2].rstrip("”")
        done = [step.split(",")[0] for step in steps]
        found[letter] = judge(done[: done.index(last) + 1], done)
    return found


def truth(done, steps):
    if ("flush" in done) == ("commit" in done):
        return "neither"
    return "lost" if "commit" in done else "duplicated"


@right(predict)
def by_steps(task):
    return situations(task, truth)


@wrong(
    predict,
    misconception="commit before the work is safe",
    fails=OUTCOME + "commit before the work",
    hint=2,
)
def never_lost(task):
    return situations(task, lambda done, steps: "duplicated" if "flush" in done else "neither")


@wrong(
    predict,
    misconception="commit after the work is exactly once",
    fails=OUTCOME + "commit after the work",
    hint=2,
)
def never_doubled(task):
    return situations(task, lambda done, steps: truth(done, steps).replace("duplicated", "neither"))


@wrong(
    predict,
    misconception="send() has sent",
    fails=OUTCOME + "flush forgotten",
    hint=3,
)
def sent_is_sent(task):
    return situations(
        task, lambda done, steps: truth(["flush" if s == "send" else s for s in done], steps)
    )


@wrong(
    predict,
    misconception="auto-commit commits the batch in hand",
    fails=OUTCOME + "auto-commit",
    hint=4,
)
def auto_commit_is_safe(task):
    return situations(
        task, lambda done, steps: "neither" if "commit" not in steps else truth(done, steps)
    )


@wrong(
    predict,
    misconception="other words",
    fails="each letter has one of the three words",
    hint=1,
)
def own_words(task):
    return situations(task, lambda done, steps: truth(done, steps).upper())


# next_offsets

WHOLE, GAP = "all of a batch is handled", "a record is still being worked on"


@right(next_offsets)
def by_sorting(handled, committed):
    result = dict(committed)
    for partition, offset in sorted(handled):
        if result[partition] == offset:
            result[partition] = offset + 1
    return {p: offset for p, offset in result.items() if offset != committed[p]}


def highest(handled):
    return {p: max(o for q, o in handled if q == p) for p, _ in handled}


@wrong(next_offsets, misconception="highest + 1 in spite of gaps", fails=GAP, hint=2)
def beyond_the_gap(handled, committed):
    return {p: offset + 1 for p, offset in highest(handled).items()}


@wrong(next_offsets, misconception="commits the last handled offset", fails=WHOLE, hint=3)
def without_plus_one(handled, committed):
    return {p: offset - 1 for p, offset in by_sorting.answer(handled, committed).items()}


@wrong(next_offsets, misconception="one offset for all partitions", fails=WHOLE, hint=4)
def one_for_all(handled, committed):
    return dict.fromkeys(committed, max(offset for _, offset in handled) + 1)


@wrong(next_offsets, misconception="commits where nothing is new", fails=WHOLE, hint=5)
def nothing_new(handled, committed):
    return {**committed, **by_sorting.answer(handled, committed)}


@wrong(next_offsets, misconception="the number of records for an offset", fails=WHOLE, hint=1)
def counted(handled, committed):
    return {p: sum(q == p for q, _ in handled) for p, _ in handled}


# after_rebalance

NOTHING, POSITION, HANDLED = (
    f"the listener commits {what}" for what in ("nothing", "the position", "what is handled")
)


@right(after_rebalance)
def by_cases(partitions, listener):
    result = {}
    for name, at in partitions.items():
        again = at["handled"] - at["committed"] if listener == "nothing" else 0
        never = at["polled"] - at["handled"] if listener == "position" else 0
        result[name] = [again, never] if at["moves"] else [0, 0]
    return result


@wrong(
    after_rebalance, misconception="the polled batch counts, not the work", fails=NOTHING, hint=2
)
def whole_batch(partitions, listener):
    again = {"nothing": 1}.get(listener, 0)
    return {
        name: [again * at["moves"] * (at["polled"] - at["committed"]), 0]
        for name, at in partitions.items()
    }


@wrong(after_rebalance, misconception="commit() commits what is handled", fails=POSITION, hint=3)
def commit_is_safe(partitions, listener):
    return by_cases.answer(partitions, "handled" if listener == "position" else listener)


@wrong(after_rebalance, misconception="every partition begins again", fails=NOTHING, hint=4)
def everything_moves(partitions, listener):
    return by_cases.answer(
        {name: {**at, "moves": True} for name, at in partitions.items()}, listener
    )


@wrong(after_rebalance, misconception="a rebalance always repeats", fails=HANDLED, hint=5)
def always_again(partitions, listener):
    return by_cases.answer(partitions, "nothing")


# deduplicate

ONCE, PACKED = "no order is packed twice", "every order is packed"
DATABASE, OFFSETS = "        connection.commit()\n", "        consumer.commit()"
NEW = """            new = connection.execute(
                "INSERT INTO seen VALUES (%s) ON CONFLICT DO NOTHING", (str(order["order"]),)
            ).rowcount
"""


@right(deduplicate)
def by_a_unique_index(script):
    unique = 'connection.execute("CREATE UNIQUE INDEX IF NOT EXISTS one ON parcels (order_id)")\n'
    script = swap(script, "consumer = Kafka", unique + "connection.commit()\nconsumer = Kafka")
    script = swap(script, NEW + "            if new:\n", "            if True:\n")
    return swap(script, "VALUES (%s, %s)", "VALUES (%s, %s) ON CONFLICT DO NOTHING")


@right(deduplicate)
def order_by_order(script):
    return swap(script, DATABASE, "            connection.commit()\n")


@wrong(deduplicate, misconception="memory in the process only", fails=AFTER + ONCE, hint=4)
def in_memory(script):
    remember = """            new = order["order"] not in seen
            seen.add(order["order"])
"""
    return swap(swap(script, NEW, remember), "while not", "seen = set()\nwhile not")


@wrong(deduplicate, misconception="a key that changes on retry", fails=WITHOUT + ONCE, hint=2)
def by_event(script):
    return swap(script, 'str(order["order"]),', 'order["event_id"],')


@wrong(
    deduplicate, misconception="the same content is the same order", fails=WITHOUT + PACKED, hint=3
)
def by_content(script):
    return swap(script, 'str(order["order"]),', 'f\'{order["customer"]} {order["items"]}\',')


@wrong(
    deduplicate,
    misconception="only the batch is looked at",
    fails=WITHOUT + ONCE,
    hint=7,
)
def within_a_batch(script):
    remember = """            new = order["order"] not in seen
            seen.add(order["order"])
"""
    each = "        for order in orders:\n"
    return swap(swap(script, NEW, remember), each, "        seen = set()\n" + each)


@wrong(
    deduplicate,
    misconception="marks first, in a transaction of its own",
    fails=AFTER + PACKED,
    hint=5,
)
def marks_first(script):
    return swap(script, NEW, NEW + "            connection.commit()\n")


@wrong(
    deduplicate,
    misconception="packs first, marks in another transaction",
    fails=AFTER + ONCE,
    hint=5,
)
def packs_first(script):
    asking = """            key = (str(order["order"]),)
            new = not connection.execute("SELECT 1 FROM seen WHERE id = %s", key).fetchone()
"""
    marking = """                connection.commit()
                connection.execute("INSERT INTO seen VALUES (%s)", key)
"""
    script = swap(script, NEW, asking)
    return swap(script, DATABASE, marking + DATABASE)


@wrong(deduplicate, misconception="offsets before the database", fails=AFTER + PACKED, hint=6)
def offsets_first(script):
    return swap(script, DATABASE + OFFSETS, OFFSETS + "\n" + DATABASE)


@wrong(deduplicate, misconception="a repetition is an error", fails=ENDS, hint=1)
def repetition_is_fatal(script):
    return swap(script, " ON CONFLICT DO NOTHING", "")


# poison

GOOD, BAD = "every good order arrives", "every bad record is in the dead-letter topic, unchanged"
WHERE, CLEAN = "each dead letter says where it came from", "nothing bad goes downstream"


@right(poison)
def in_one_loop(script):
    return Path(__file__).with_name("poison_worker.py").read_text()


@right(poison)
def with_a_reason(script):
    script = swap(script, "repr(error)", "str(type(error).__name__)")
    return swap(script, "except Exception as error", "except (ValueError, KeyError) as error")


@wrong(poison, misconception="the poison record stops the worker", fails=ENDS, hint=1)
def dies(script):
    return swap(
        script, "    try:\n        check", "    check(record.value)\n    try:\n        check"
    )


@wrong(poison, misconception="bad records skipped silently", fails=WITHOUT + BAD, hint=2)
def skips(script):
    return swap(
        script, "producer.send(dead, key=record.key, value=record.value, headers=headers)", "pass"
    )


@wrong(poison, misconception="only JSON errors are bad", fails=WITHOUT + CLEAN, hint=5)
def parses_only(script):
    return swap(script, "        raise ValueError(f", "        print(f")


@wrong(
    poison,
    misconception="dead letters without where they came from",
    fails=WITHOUT + WHERE,
    hint=4,
)
def without_headers(script):
    return swap(script, ", headers=headers", "")


@wrong(poison, misconception="the dead letter is rewritten", fails=WITHOUT + BAD, hint=3)
def rewritten(script):
    return swap(
        script,
        "producer.send(dead, key=record.key, value=record.value,",
        'producer.send(dead, value=json.dumps({"bad": str(record.value)}).encode(),',
    )


@wrong(
    poison,
    misconception="the rest of the batch goes with the bad one",
    fails=WITHOUT + GOOD,
    hint=7,
)
def drops_the_batch(script):
    script = swap(script, "    else:\n", "        return False\n    else:\n")
    return swap(
        script,
        "        send_on(record)\n",
        "        if send_on(record) is False:\n            break\n",
    )


@wrong(poison, misconception="commit before flush", fails=AFTER + BAD, hint=6)
def commits_before_flush(script):
    return swap(script, FLUSH + COMMIT, COMMIT + FLUSH)
