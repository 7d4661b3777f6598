"""Right answers of another kind, and the wrong ones that people really give."""

from collections.abc import Callable
from pathlib import Path

from streamgym.checks.labs import load_exercises
from streamgym.course.answers import right, swap, wrong

lab = load_exercises("05_exactly_once")
predict, exactly_once, visible = lab["predict"], lab["exactly_once"], lab["visible"]
committed_only, abort_on_error, fenced = (
    lab["committed_only"],
    lab["abort_on_error"],
    lab["fenced"],
)
transaction_size, charge_once = lab["transaction_size"], lab["charge_once"]
bytewax_once = lab["bytewax_once"]


def beside(name: str) -> str:
    """Return a program that stands beside this file."""
    return Path(__file__).with_name(name).read_text()


# predict


def outcomes(task: dict, tell: Callable[[str, str, str], str]) -> dict:
    return {letter: tell(**case) for letter, case in task["cases"].items()}


def by_state(worker: str, when: str, kind: str) -> str:
    """Work out what has been written and what has been committed at the crash."""
    if worker == "transaction":
        return "neither"
    order = ["Produce", "OffsetCommit"]
    order = order if worker == "produce first" else order[::-1]
    done = order[: order.index(kind) + (when == "after")]
    written, committed = "Produce" in done, "OffsetCommit" in done
    return "neither" if written == committed else "duplicated" if written else "lost"


@right(predict)
def from_state(task):
    return outcomes(task, by_state)


@wrong(
    predict,
    misconception="produce first loses what was not committed",
    fails="what a crash does to 'produce first'",
    hint=2,
)
def uncommitted_is_lost(task):
    def tell(worker, when, kind):
        fate = by_state(worker, when, kind)
        return "lost" if fate == "duplicated" else fate

    return outcomes(task, tell)


@wrong(
    predict,
    misconception="commit first repeats what was not written",
    fails="what a crash does to 'commit first'",
    hint=3,
)
def unwritten_is_repeated(task):
    def tell(worker, when, kind):
        fate = by_state(worker, when, kind)
        return "duplicated" if fate == "lost" else fate

    return outcomes(task, tell)


@wrong(
    predict,
    misconception="an aborted transaction's records count",
    fails="what a crash does to 'transaction'",
    hint=4,
)
def the_log_counts(task):
    def tell(worker, when, kind):
        return "duplicated" if worker == "transaction" else by_state(worker, when, kind)

    return outcomes(task, tell)


@wrong(predict, misconception="no word for each letter", fails="a word for each letter", hint=1)
def one_word(task):
    return "duplicated"


# exactly_once

LOST, TWICE = "after any crash: nothing is lost", "after any crash: nothing is duplicated"
TORN, OPEN = "after any crash: no order is torn", "after any crash: no transaction is left open"
ENDS = "the worker ends in order"
SEND_OFFSETS = "    producer.send_offsets_to_transaction(offsets, consumer.group_metadata())\n"
COMMIT = "    producer.commit_transaction()\n"


@right(exactly_once)
def by_partition(script):
    """A transaction for each partition of a batch, and positions asked of the consumer."""
    return beside("by_partition.py")


def without_transaction(script: str) -> str:
    script = swap(script, '    transactional_id=os.environ["TRANSACTIONAL_ID"],\n', "")
    script = swap(script, "producer.init_transactions()\n", "")
    script = swap(script, "    producer.begin_transaction()\n", "")
    return swap(script, SEND_OFFSETS, "")


@wrong(exactly_once, misconception="produce, then commit: no transaction", fails=TWICE, hint=2)
def produce_then_commit(script):
    return swap(
        without_transaction(script), COMMIT, "    producer.flush()\n    consumer.commit(offsets)\n"
    )


@wrong(exactly_once, misconception="commit, then produce: no transaction", fails=LOST, hint=7)
def commit_then_produce(script):
    plain = swap(without_transaction(script), COMMIT, "    producer.flush()\n")
    return swap(
        plain, "        handle(batch)\n", "        consumer.commit()\n        handle(batch)\n"
    )


@wrong(exactly_once, misconception="flush forgotten", fails=LOST, hint=7)
def never_flushed(script):
    return swap(without_transaction(script), COMMIT, "    consumer.commit(offsets)\n")


@wrong(
    exactly_once,
    misconception="offsets committed outside of the transaction, after it",
    fails=TWICE,
    hint=3,
)
def offsets_after(script):
    return swap(swap(script, SEND_OFFSETS, ""), COMMIT, COMMIT + "    consumer.commit(offsets)\n")


@wrong(
    exactly_once,
    misconception="offsets committed outside of the transaction, before it",
    fails=LOST,
    hint=3,
)
def offsets_before(script):
    return swap(swap(script, SEND_OFFSETS, ""), COMMIT, "    consumer.commit(offsets)\n" + COMMIT)


@wrong(exactly_once, misconception="commits the last offset, not the next", fails=TWICE, hint=4)
def last_offset(script):
    return swap(script, "records[-1].offset + 1", "records[-1].offset")


def new_id(script: str) -> str:
    return swap(script, 'os.environ["TRANSACTIONAL_ID"]', "__import__('uuid').uuid4().hex")


@wrong(exactly_once, misconception="a new transactional id at every start", fails=OPEN, hint=5)
def open_behind_it(script):
    return new_id(script)


@wrong(exactly_once, misconception="two transactions per batch", fails=TORN, hint=6)
def in_two_transactions(script):
    sent = "                producer.send("
    first = """                if line["line"].endswith("-1"):
                    producer.send(os.environ["OUTPUT_TOPIC"], value, key=record.key)
"""
    script = swap(script, sent + 'os.environ["OUTPUT_TOPIC"], value, key=record.key)\n', first)
    rest = """    producer.begin_transaction()
    for records in batch.values():
        for record in records:
            for line in lines(json.loads(record.value))[1:]:
                value = json.dumps(line).encode()
                producer.send(os.environ["OUTPUT_TOPIC"], value, key=record.key)
"""
    return swap(script, COMMIT, COMMIT + rest + COMMIT)


@wrong(exactly_once, misconception="no init_transactions", fails=ENDS, hint=1)
def never_initialised(script):
    return swap(script, "producer.init_transactions()\n", "")


@wrong(
    exactly_once,
    misconception="the last transaction is not committed",
    fails="without a crash: no transaction is left open",
    hint=8,
)
def committed_with_the_next(script):
    script = swap(script, COMMIT, "    producer.begun = True\n")
    begin = "    producer.begin_transaction()\n"
    before = "    if getattr(producer, 'begun', False):\n        producer.commit_transaction()\n"
    return swap(script, begin, before + begin)


@wrong(
    exactly_once,
    misconception="one partition only",
    fails="without a crash: nothing is lost",
    hint=8,
)
def one_partition(script):
    return swap(
        script, "for records in batch.values():", "for records in list(batch.values())[:1]:"
    )


@wrong(
    exactly_once,
    misconception="the batch written once for each partition",
    fails="without a crash: nothing is duplicated",
    hint=8,
)
def nested_once_too_often(script):
    return swap(
        script,
        "        for record in records:\n",
        "        for record in sum(batch.values(), []):\n",
    )


@wrong(
    exactly_once,
    misconception="only the first line of an order",
    fails="without a crash: no order is torn",
    hint=6,
)
def first_lines(script):
    return swap(script, "lines(json.loads(record.value))", "lines(json.loads(record.value))[:1]")


# visible

OPEN_END, ENDED_END = (
    "the last stable offset, one transaction open",
    "the last stable offset, all transactions ended",
)
OPEN_VALUES, ENDED_VALUES = (
    "the values given, one transaction open",
    "the values given, all transactions ended",
)


@right(visible)
def backwards(log):
    """From the end: the marker seen last, going back, is the one that decides."""
    decided, undecided, values = {"": "commit"}, [], []
    for entry in reversed(log):
        if entry["entry"] != "data":
            decided[entry["producer"]] = entry["entry"]
        elif entry["producer"] not in decided:
            undecided.append(entry["offset"])
        elif decided[entry["producer"]] == "commit":
            values.append((entry["offset"], entry["value"]))
    stable = min(undecided, default=log[-1]["offset"] + 1)
    return {
        "last_stable_offset": stable,
        "values": [value for offset, value in reversed(values) if offset < stable],
    }


def read(log, decide, stable=None):
    right = backwards.answer(log)
    end = right["last_stable_offset"] if stable is None else stable
    chosen = [e["value"] for e in log if e["entry"] == "data" and e["offset"] < end and decide(e)]
    return {"last_stable_offset": end, "values": chosen}


def beyond(log):
    """Treat open transactions as if they were not there."""
    ended, kept = {""}, []
    for entry in reversed(log):
        ended |= {entry["producer"]} if entry["entry"] != "data" else set()
        kept += [entry] if entry["producer"] in ended else []
    return backwards.answer([*kept[::-1], {**log[-1], "entry": "commit", "producer": "nobody"}])


@wrong(visible, misconception="reads beyond the open transaction", fails=OPEN_VALUES, hint=2)
def past_the_open_one(log):
    return {"last_stable_offset": log[-1]["offset"] + 1, "values": beyond(log)["values"]}


@wrong(visible, misconception="the end of the log is the end for all", fails=OPEN_END, hint=2)
def high_watermark(log):
    return {"last_stable_offset": log[-1]["offset"] + 1, "values": beyond(log)["values"]}


@wrong(visible, misconception="gives out aborted records", fails=ENDED_VALUES, hint=3)
def with_aborted(log):
    return read(log, lambda entry: True)


@wrong(visible, misconception="in the order of commits", fails=ENDED_VALUES, hint=4)
def in_commit_order(log):
    right = backwards.answer(log)
    held, values = {}, []
    for entry in log:
        if entry["entry"] == "data" and entry["producer"]:
            held.setdefault(entry["producer"], []).append(entry["value"])
        elif entry["entry"] == "data":
            values.append(entry["value"])
        elif entry["entry"] == "commit":
            values += held.pop(entry["producer"], [])
        else:
            held.pop(entry["producer"], None)
    return {**right, "values": [value for value in values if value in right["values"]]}


@wrong(visible, misconception="markers take no offset", fails=ENDED_END, hint=5)
def records_only(log):
    data = [entry for entry in log if entry["entry"] == "data"]
    right = backwards.answer(log)
    if right["last_stable_offset"] == log[-1]["offset"] + 1:
        right["last_stable_offset"] = log[0]["offset"] + len(data)
    return right


@wrong(visible, misconception="without a transaction, never visible", fails=ENDED_VALUES, hint=6)
def transactions_only(log):
    right = backwards.answer(log)
    return read(log, lambda entry: entry["producer"] and entry["value"] in right["values"])


@wrong(visible, misconception="without a transaction, always open", fails=ENDED_END, hint=6)
def plain_is_open(log):
    right = backwards.answer(log)
    plain = [entry["offset"] for entry in log if not entry["producer"]]
    return read(
        log,
        lambda entry: entry["value"] in right["values"],
        min([right["last_stable_offset"], *plain]),
    )


@wrong(visible, misconception="a producer's last marker decides", fails=ENDED_VALUES, hint=7)
def by_last_marker(log):
    last = {e["producer"]: e["entry"] for e in log if e["entry"] != "data"} | {"": "commit"}
    return read(log, lambda entry: last.get(entry["producer"]) == "commit")


# committed_only

COUNTED, ALL_COUNT = "no aborted payment is counted", "every committed payment counts"
RUNNING = "the running total after each committed payment"
COMMITTED = '    isolation_level="read_committed",\n'


@right(committed_only)
def with_confluent(script):
    return beside("accountant.py")


@wrong(committed_only, misconception="the default isolation level", fails=COUNTED, hint=2)
def by_default(script):
    return swap(script, COMMITTED, "")


@wrong(committed_only, misconception="reads uncommitted records", fails=RUNNING, hint=2)
def uncommitted(script):
    return swap(script, "read_committed", "read_uncommitted")


@wrong(
    committed_only,
    misconception="repeated orders dropped instead of aborted records",
    fails=ALL_COUNT,
    hint=3,
)
def first_of_each_order(script):
    script = swap(script, COMMITTED, "")
    script = swap(
        script, "totals: dict[str, int] = {}\n", "totals: dict[str, int] = {}\nseen = set()\n"
    )
    parsed = "            paid = json.loads(record.value)\n"
    once = """            if paid["order"] in seen:
                continue
            seen.add(paid["order"])
"""
    return swap(script, parsed, parsed + once)


@wrong(committed_only, misconception="one partition only", fails=ALL_COUNT, hint=4)
def first_partition(script):
    return swap(
        script,
        "            paid = json.loads(record.value)\n",
        "            if record.partition:\n                continue\n            paid = json.loads(record.value)\n",
    )


@wrong(committed_only, misconception="one total for all customers", fails=RUNNING, hint=1)
def one_total(script):
    return swap(script, 'customer = paid["customer"]', 'customer = "all"')


@wrong(committed_only, misconception="a level that does not exist", fails=ENDS, hint=1)
def committed_level(script):
    return swap(script, "read_committed", "committed")


# abort_on_error

BROKEN = "after any crash: no part of a broken order is visible"
LETTERS = "after any crash: each broken order is in the dead-letter topic, once"
CLEAN = "without a crash: "
WHOLE_BATCH = CLEAN + "nothing is lost"
ABORT = "            producer.abort_transaction()\n"
AGAIN = """        except TypeError:
            producer.abort_transaction()
            broken.append(record)
        else:
            return commit(batch)
"""


@right(abort_on_error)
def checked_before(script):
    """All lines of the batch are made before the first is sent."""
    begin = script.index("def book(")
    end = script.index("while not at_end(consumer):\n")
    handle = """def handle(batch: dict) -> None:
    records = [record for each in batch.values() for record in each]
    producer.begin_transaction()
    for record in records:
        try:
            made = list(lines(json.loads(record.value)))
        except TypeError:
            producer.send(DEAD_LETTERS, record.value)
        else:
            for line in made:
                producer.send(LEDGER, json.dumps(line).encode(), key=record.key)
    commit(batch)


"""
    return script[:begin] + handle + script[end:]


@right(abort_on_error)
def one_by_one(script):
    """After an abort each record of the batch gets a transaction of its own."""
    begin = script.index("def handle(")
    end = script.index("while not at_end(consumer):\n")
    handle = """def handle(batch: dict) -> None:
    producer.begin_transaction()
    try:
        for records in batch.values():
            for record in records:
                book(record)
    except TypeError:
        producer.abort_transaction()
        if sum(map(len, batch.values())) > 1:
            for at, records in batch.items():
                for record in records:
                    handle({at: [record]})
            return
        producer.begin_transaction()
        producer.send(DEAD_LETTERS, record.value)
    commit(batch)


"""
    return script[:begin] + handle + script[end:]


def skipping(script: str, instead: str) -> str:
    """Handle each record in one go, with ``instead`` for a broken one."""
    begin, end = (
        script.index("    broken: list = []"),
        script.index("while not at_end(consumer):\n"),
    )
    body = f"""    producer.begin_transaction()
    for record in records:
        try:
            book(record)
        except TypeError:
{instead}
    commit(batch)


"""
    return script[:begin] + body + script[end:]


@wrong(
    abort_on_error,
    misconception="no abort on error: commits what was sent so far",
    fails=CLEAN + "no part of a broken order is visible",
    hint=2,
)
def half_committed(script):
    return skipping(script, "            producer.send(DEAD_LETTERS, record.value)")


@wrong(
    abort_on_error,
    misconception="the error is swallowed",
    fails=CLEAN + "each broken order is in the dead-letter topic, once",
    hint=3,
)
def swallowed(script):
    return skipping(script, "            pass")


@wrong(abort_on_error, misconception="dies for ever", fails=ENDS, hint=1)
def dies(script):
    return swap(script, "except TypeError:", "except ZeroDivisionError:")


@wrong(abort_on_error, misconception="dies for ever", fails=WHOLE_BATCH, hint=4)
def dies_and_loses(script):
    return dies.answer(script)


@wrong(
    abort_on_error,
    misconception="the aborted batch is not written again",
    fails=WHOLE_BATCH,
    hint=3,
)
def batch_given_up(script):
    letter = """            producer.begin_transaction()
            producer.send(DEAD_LETTERS, record.value)
            return commit(batch)
"""
    return swap(script, "            broken.append(record)\n", letter)


@wrong(
    abort_on_error,
    misconception="the dead letter is aborted with the rest",
    fails=CLEAN + "each broken order is in the dead-letter topic, once",
    hint=3,
)
def letter_aborted(script):
    script = swap(script, ABORT, "            producer.send(DEAD_LETTERS, record.value)\n" + ABORT)
    return swap(
        script,
        "producer.send(DEAD_LETTERS, record.value)\n                else",
        "pass\n                else",
    )


@wrong(
    abort_on_error,
    misconception="the dead letter outside of the transaction",
    fails=LETTERS,
    hint=5,
)
def letter_by_another_producer(script):
    other = "aside = KafkaProducer(bootstrap_servers=SERVERS)\n\n\ndef book("
    script = swap(script, "def book(", other)
    script = swap(script, "producer.send(DEAD_LETTERS, record.value)\n", "continue\n")
    letters = """            for record in broken:
                aside.send(DEAD_LETTERS, record.value).get()
            return commit(batch)
"""
    return swap(script, "            return commit(batch)\n", letters)


@wrong(
    abort_on_error,
    misconception="no abort on error: it gives up, and the transaction stays open",
    fails=CLEAN + "no transaction is left open",
    hint=6,
)
def stays_open(script):
    return swap(script, ABORT, "            producer.flush()\n            os._exit(0)\n")


@wrong(
    abort_on_error,
    misconception="offsets committed outside of the transaction",
    fails="after any crash: nothing is duplicated",
    hint=7,
)
def offsets_aside(script):
    script = swap(script, SEND_OFFSETS, "")
    return swap(script, COMMIT, COMMIT + "    consumer.commit(offsets)\n")


@wrong(
    abort_on_error,
    misconception="good orders of the batch are sent again without an abort",
    fails=CLEAN + "nothing is duplicated",
    hint=7,
)
def again_without_abort(script):
    return swap(script, ABORT, "            producer.commit_transaction()\n")


# fenced

ZOMBIE_TWICE, ZOMBIE_LOST = "nothing is duplicated", "nothing is lost"
SILENT, THREE = "the zombie ends no transaction any more", "the zombie ends with exit code 3"


@right(fenced)
def in_the_handler(script):
    """Fencing is looked for where a transaction is made; other errors abort and go on."""
    return beside("careful_worker.py")


@right(fenced)
def with_an_exit_hook(script):
    script = swap(script, "try:\n    while", "def work() -> None:\n    while")
    begin = script.index("except ProducerFencedError:")
    hook = """

def ended(kind, error, trace) -> None:
    os._exit(3 if kind is ProducerFencedError else 1)


sys.excepthook = ended
work()
producer.close()
"""
    return script[:begin].rstrip() + "\n" + hook


RETRY = """def new_producer() -> KafkaProducer:
    made = KafkaProducer(
        bootstrap_servers=SERVERS,
        transactional_id=os.environ["TRANSACTIONAL_ID"],
        retry_backoff_ms=20,
    )
    made.init_transactions()
    return made


def handle_again(batch: dict) -> None:
    global producer
    try:
        handle(batch)
    except ProducerFencedError:
        producer = new_producer()
        handle(batch)


try:
    while"""


def stubborn(script: str) -> str:
    script = swap(script, "            handle(batch)\n", "            handle_again(batch)\n")
    script = swap(script, "try:\n    while", RETRY)
    return swap(script, "consumer.group_metadata()", 'os.environ["GROUP_ID"]')


@wrong(fenced, misconception="fencing error swallowed and retried", fails=ZOMBIE_TWICE, hint=2)
def retried(script):
    return stubborn(script)


@wrong(fenced, misconception="fencing error swallowed and retried", fails=SILENT, hint=2)
def ends_more_transactions(script):
    return stubborn(script)


@wrong(fenced, misconception="a random transactional id: never fenced", fails=ZOMBIE_TWICE, hint=3)
def never_fenced(script):
    return new_id(script)


@wrong(fenced, misconception="a random transactional id: never fenced", fails=THREE, hint=3)
def ends_as_if_all_were_well(script):
    return new_id(script)


@wrong(fenced, misconception="the supervisor starts the zombie again", fails=THREE, hint=5)
def unhandled(script):
    return swap(script, "except ProducerFencedError:", "except ZeroDivisionError:")


@wrong(fenced, misconception="fenced, and ends as if all were well", fails=THREE, hint=5)
def ends_with_zero(script):
    return swap(script, "sys.exit(3)", "sys.exit(0)")


@wrong(
    fenced,
    misconception="offsets committed outside of the transaction, before it",
    fails=ZOMBIE_LOST,
    hint=4,
)
def offsets_first(script):
    return offsets_before.answer(script)


@wrong(
    fenced,
    misconception="no transaction: nothing fences it",
    fails="it works in transactions",
    hint=4,
)
def no_transaction(script):
    return produce_then_commit.answer(script)


@wrong(
    fenced,
    misconception="no init_transactions",
    fails="the worker that replaces it ends in order",
    hint=1,
)
def no_init(script):
    return swap(script, "producer.init_transactions()\n", "")


# transaction_size

SMALLEST = "the smallest that reaches the share"


@right(transaction_size)
def by_formula(task):
    ratio = task["per_transaction_ms"] / task["per_record_ms"]
    return -int(-(ratio * task["share"] / (1 - task["share"]) - 1e-6) // 1)


@wrong(transaction_size, misconception="the share for its complement", fails=SMALLEST, hint=2)
def complement(task):
    return by_formula.answer(task | {"share": round(1 - task["share"], 2)})


@wrong(transaction_size, misconception="rounded down", fails=SMALLEST, hint=3)
def rounded_down(task):
    return by_formula.answer(task) - 1


@wrong(transaction_size, misconception="larger than needed", fails=SMALLEST, hint=3)
def generous(task):
    return by_formula.answer(task) + 5


@wrong(transaction_size, misconception="only the ratio of costs", fails=SMALLEST, hint=4)
def by_ratio(task):
    return -int(-task["share"] * task["per_transaction_ms"] / task["per_record_ms"] // 1)


@wrong(
    transaction_size,
    misconception="a text",
    fails="a whole number of records",
    hint=1,
)
def as_text(task):
    return f"{by_formula.answer(task)} records"


# charge_once

CHARGED = "after any crash: every order is charged"
CHARGED_TWICE = "after any crash: no order is charged twice"
KEY = "f\"order-{order['order']}\""


@right(charge_once)
def with_http_client(script):
    return beside("charges.py")


@right(charge_once)
def by_uuid5(script):
    return swap(
        script,
        KEY,
        '__import__("uuid").uuid5(__import__("uuid").NAMESPACE_OID, str(order["order"])).hex',
    )


@wrong(charge_once, misconception="no idempotency key", fails=CHARGED_TWICE, hint=2)
def without_key(script):
    return swap(script, '{"Idempotency-Key": ' + KEY + "}", "{}")


@wrong(charge_once, misconception="a fresh key for each attempt", fails=CHARGED_TWICE, hint=3)
def fresh_key(script):
    return swap(script, KEY, "__import__('uuid').uuid4().hex")


@wrong(
    charge_once,
    misconception="the key of the amount",
    fails="without a crash: every order is charged",
    hint=4,
)
def key_of_amount(script):
    return swap(script, KEY, 'str(order["amount"])')


@wrong(
    charge_once,
    misconception="one key for the batch",
    fails="without a crash: every order is charged",
    hint=4,
)
def key_of_batch(script):
    script = swap(script, KEY, "batch_key")
    begin = "def handle(batch: dict) -> None:\n"
    return swap(
        script,
        begin,
        begin
        + "    global batch_key\n    batch_key = str([records[0].offset for records in batch.values()])\n",
    )


@wrong(charge_once, misconception="commit first, then charge", fails=CHARGED, hint=5)
def charged_after_commit(script):
    script = swap(script, "json.dumps(charge(json.loads(record.value))).encode()", "record.value")
    later = """    for records in batch.values():
        for record in records:
            charge(json.loads(record.value))
"""
    return swap(script, COMMIT, COMMIT + later)


@wrong(
    charge_once,
    misconception="each order charged and sent twice",
    fails="without a crash: no order is charged twice",
    hint=3,
)
def charged_to_be_sure(script):
    keyed = swap(script, KEY, "__import__('uuid').uuid4().hex")
    return swap(
        keyed, "charged = json", "charge(json.loads(record.value))\n            charged = json"
    )


@wrong(
    charge_once,
    misconception="offsets outside of the transaction",
    fails="after any crash: every order is booked once",
    hint=6,
)
def booked_twice(script):
    script = swap(script, SEND_OFFSETS, "")
    return swap(script, COMMIT, COMMIT + "    consumer.commit(offsets)\n")


@wrong(
    charge_once,
    misconception="charged, and not booked",
    fails="without a crash: every order is booked once",
    hint=6,
)
def not_booked(script):
    return swap(script, "            producer.send(", "            (lambda *a, **k: None)(")


@wrong(charge_once, misconception="a text for the body", fails=ENDS, hint=1)
def body_is_text(script):
    body = '{"order": order["order"], "amount": order["amount"]})'
    return swap(script, body + ".encode()", body)


# bytewax_once

ID_ONCE = "after a crash: whoever drops repeated ids has each order once"
TOTAL = "after a crash: each total is right"
ORDER_ID = "f\"order-{order['order']}\""
RECOVERY = ", recovery_config=RecoveryConfig(STORE)"


@right(bytewax_once)
def with_sqlite(script):
    """No engine: totals and positions in one SQLite transaction, after the output was written."""
    return beside("sqlite_totals.py")


@right(bytewax_once)
def with_flat_map(script):
    script = swap(script, "op.stateful_map(", "op.stateful_flat_map(")
    return swap(script, "return total, row", "return total, [row]")


@wrong(bytewax_once, misconception="a random id at each run", fails=ID_ONCE, hint=2)
def random_ids(script):
    return swap(script, ORDER_ID, "__import__('uuid').uuid4().hex")


@wrong(bytewax_once, misconception="ids counted from zero at each start", fails=ID_ONCE, hint=3)
def counted_ids(script):
    script = swap(script, "def add(", "numbers = iter(range(10**6))\n\n\ndef add(")
    return swap(script, ORDER_ID, "next(numbers)")


@wrong(
    bytewax_once,
    misconception="the customer for the id",
    fails="without a crash: whoever drops repeated ids has each order once",
    hint=3,
)
def id_of_customer(script):
    return swap(script, ORDER_ID, 'order["customer"]')


@wrong(bytewax_once, misconception="state only in memory", fails=TOTAL, hint=4)
def state_in_memory(script):
    script = swap(script, "def add(", "sums = {}\n\n\ndef add(")
    return swap(
        script,
        'total = (total or 0) + order["amount"]',
        'total = sums[order["customer"]] = sums.get(order["customer"], 0) + order["amount"]',
    )


@wrong(
    bytewax_once,
    misconception="input from the beginning, and totals added again",
    fails=TOTAL,
    hint=5,
)
def added_again(script):
    script = swap(script, RECOVERY, "")
    kept = """    file = Path("total-" + order["customer"])
    total = (int(file.read_text()) if file.exists() else 0) + order["amount"]
    file.write_text(str(total))
"""
    return swap(script, '    total = (total or 0) + order["amount"]\n', kept)


@wrong(
    bytewax_once,
    misconception="no recovery: all is done again",
    fails="after a crash: it goes on where it was",
    hint=6,
)
def no_recovery(script):
    return swap(script, RECOVERY, "")


@wrong(
    bytewax_once,
    misconception="one epoch for the whole run",
    fails="after a crash: it goes on where it was",
    hint=6,
)
def long_epochs(script):
    return swap(script, "epoch_interval=timedelta(0)", "epoch_interval=timedelta(seconds=60)")


@wrong(bytewax_once, misconception="the store is made anew", fails=ID_ONCE, hint=7)
def made_at_every_start(script):
    return swap(
        script,
        "if not STORE.exists():\n    STORE.mkdir()\n    init",
        "if True:\n    STORE.mkdir()\n    init",
    )


@wrong(
    bytewax_once,
    misconception="one total for all customers",
    fails="without a crash: each total is right",
    hint=1,
)
def one_for_all(script):
    return swap(script, 'lambda order: order["customer"])', 'lambda order: "all")')


@wrong(bytewax_once, misconception="no recovery store", fails=ENDS, hint=1)
def no_store(script):
    return swap(script, "    init_db_dir(STORE, 1)\n", "")
