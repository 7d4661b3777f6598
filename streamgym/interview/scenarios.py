"""Scenarios of chapter 18 to be designed: each asks for numbers, and checks them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from streamgym.errors import StreamgymError
from streamgym.interview import capacity

CLOSE = 0.05
"""By how much, as a share, an answer may differ and is right."""


@dataclass(frozen=True)
class Step:
    """One number that is asked for.

    Attributes:
        ask: the question.
        unit: of the answer.
        due: the right answer.
        working: how it comes about.
        mistakes: what a known mistake would give, by what it is called.
    """

    ask: str
    unit: str
    due: float
    working: str
    mistakes: Mapping[str, float] = field(default_factory=dict)

    def judge(self, answer: float) -> str:
        """Return what is wrong with an answer; nothing when it is right."""
        if _close(answer, self.due):
            return ""
        named = (name for name, value in self.mistakes.items() if _close(answer, value))
        return next(named, "too large" if answer > self.due else "too small")


@dataclass(frozen=True)
class Scenario:
    """A system to be designed, with figures of its own, and what a good design tells."""

    name: str
    title: str
    brief: str
    steps: tuple[Step, ...]
    talk_about: tuple[str, ...]


def draw(name: str, rng: Random) -> Scenario:
    """Return a scenario with figures drawn from ``rng``.

    Raises:
        StreamgymError: there is none of this name.
    """
    if name not in SCENARIOS:
        raise StreamgymError(f"there is no scenario {name!r}: choose one of {', '.join(SCENARIOS)}")
    return SCENARIOS[name](rng)


def _close(answer: float, due: float) -> bool:
    return abs(answer - due) <= CLOSE * abs(due)


def _shop(rng: Random) -> Scenario:
    orders = rng.choice([2_000, 5_000, 8_000])
    events, size = 5, rng.choice([400, 600, 1_000])
    days, replicas, groups = rng.choice([5, 7, 14]), 3, 5
    outage, consumer = rng.choice([10, 20, 30]), 4.0
    rate = capacity.megabytes_per_second(orders * events, size)
    readable = orders * events * rng.choice([1.5, 2.0])
    return Scenario(
        "shop",
        "E-commerce: orders, stock, payment, notification, analytics",
        f"On its best day the shop takes {orders:,} orders a second. An order makes {events} "
        f"events of {size} bytes. Topics are kept for {days} days, with {replicas} replicas; "
        f"{groups} consumer groups read everything. One partition takes 10 MB/s from producers, "
        f"and one consumer handles {consumer:g} MB/s.",
        (
            Step(
                "What do the producers write?",
                "MB/s",
                rate,
                f"{orders:,} x {events} x {size} bytes",
                {"the events of an order forgotten": rate / events, "that is megabits": rate * 8},
            ),
            Step(
                "How many partitions, at least, over all topics?",
                "partitions",
                capacity.partitions(rate, 10, consumer),
                f"the slower side decides: {rate:g} MB/s / {consumer:g} MB/s, rounded up",
                {"that is what the producers need": capacity.partitions(rate, 10, 10)},
            ),
            Step(
                "How much disk do the topics take, all replicas together?",
                "TB",
                capacity.stored_terabytes(rate, days, replicas),
                f"{rate:g} MB/s x 86,400 s x {days} days x {replicas} replicas",
                {
                    "the replicas forgotten": capacity.stored_terabytes(rate, days, 1),
                    "that is one day": capacity.stored_terabytes(rate, 1, replicas),
                },
            ),
            Step(
                "What do the brokers send, to followers and to all groups?",
                "MB/s",
                capacity.broker_output(rate, replicas, groups),
                f"{rate:g} MB/s x ({replicas} - 1 followers + {groups} groups)",
                {
                    "the followers forgotten": rate * groups,
                    "the leader does not send to itself": rate * (replicas + groups),
                },
            ),
            Step(
                f"A group handles {readable:,.0f} events a second, and was down for {outage} "
                "minutes at full load. How long until its lag is gone?",
                "minutes",
                capacity.catch_up_minutes(outage, orders * events, readable),
                f"backlog / surplus: {outage} min x {orders * events:,} / "
                f"({readable:,.0f} - {orders * events:,})",
                {"new events come in meanwhile": outage * orders * events / readable},
            ),
        ),
        (
            "key by order, so that the events of an order stay in order",
            "an outbox between the order's database and Kafka",
            "at-least-once with idempotent effects for stock and payment",
            "a dead-letter topic, and who looks after it",
            "a daily batch that the stream's figures are compared with",
        ),
    )


def _iot(rng: Random) -> Scenario:
    devices, every = rng.choice([2, 5, 10]) * 1_000_000, rng.choice([1, 2, 5])
    size, ratio = rng.choice([100, 150, 200]), rng.choice([4, 5])
    window, slide, entry = 5, 1, rng.choice([100, 200])
    days, price = rng.choice([3, 7]), 80
    events = devices / every
    rate = capacity.megabytes_per_second(events, size)
    stored = capacity.stored_terabytes(rate, days, 3, ratio)
    return Scenario(
        "iot",
        "IoT: millions of sensor readings a second, alerts, and history",
        f"{devices:,} devices each send a reading of {size} bytes every {every} s. Producers "
        f"compress {ratio} times. Topics are kept for {days} days, with 3 replicas. One partition "
        f"takes 10 MB/s of uncompressed records, and so does one consumer. Each device's readings "
        f"are averaged over {window} minutes, every {slide} minute, with {entry} bytes of state a "
        f"window. Disk costs {price} a TB and month.",
        (
            Step(
                "How many readings a second?",
                "readings/s",
                events,
                f"{devices:,} / {every} s",
                {"that is readings in an interval": float(devices)} if every > 1 else {},
            ),
            Step(
                "What do they amount to, uncompressed?",
                "MB/s",
                rate,
                f"{events:,.0f} x {size} bytes",
                {"that is megabits": rate * 8},
            ),
            Step(
                "How many partitions, at least?",
                "partitions",
                capacity.partitions(rate, 10, 10),
                f"{rate:g} MB/s / 10 MB/s, rounded up",
            ),
            Step(
                "How much disk, compressed, all replicas together?",
                "TB",
                stored,
                f"{rate:g} MB/s / {ratio} x 86,400 s x {days} days x 3 replicas",
                {"compression forgotten": stored * ratio, "the replicas forgotten": stored / 3},
            ),
            Step(
                "How much state do the windows hold?",
                "MB",
                capacity.window_state_megabytes(devices, entry, window / slide),
                f"{devices:,} devices x {window // slide} open windows x {entry} bytes",
                {"a reading is in every open window": devices * entry / 1e6},
            ),
            Step(
                "What does the disk cost in a month?",
                "in the currency",
                stored * price,
                f"{stored:,.1f} TB x {price}",
            ),
        ),
        (
            "key by device; what a device that sends too much does to its partition",
            "event time from the device, and devices whose clocks are wrong",
            "devices that come back after a day with all that they stored",
            "alerts from the stream, history from files; how the same reading gets to both",
            "thinning out: which readings are kept for how long",
        ),
    )


def _trading(rng: Random) -> Scenario:
    orders, took = rng.choice([200_000, 500_000]), rng.choice([2, 5])
    hop, hops, work = rng.choice([0.1, 0.15]), 4, rng.choice([0.2, 0.3])
    replicate, checkpoint = rng.choice([2, 3]), rng.choice([1, 5, 10])
    instruments, state = rng.choice([5_000, 20_000]), rng.choice([2_000, 4_000])
    log = capacity.megabytes_per_second(orders, 120)
    return Scenario(
        "trading",
        "Trading: risk checks within a millisecond, exactly-once, reports to the regulator",
        f"{orders:,} orders a second of 120 bytes. An order passes {hops} network hops of {hop:g} "
        f"ms and is worked on for {work:g} ms. A replicated write to the log (acks=all) takes "
        f"{replicate} ms. A stream job takes a checkpoint every {checkpoint} s; its transactional "
        f"sink shows results at checkpoints. {instruments:,} instruments have {state} bytes of "
        "state each. Records for the regulator are kept for 5 years of 250 trading days of 8 "
        "hours, twice, compressed 6 times.",
        (
            Step(
                "How long does an order take without the log?",
                "ms",
                hops * hop + work,
                f"{hops} x {hop:g} + {work:g}",
            ),
            Step(
                "And when it must be in the log, replicated, before it is answered?",
                "ms",
                hops * hop + work + replicate,
                "the same and the write: beyond a millisecond, whatever else is tuned",
            ),
            Step(
                "How old is a result at most when the transactional sink shows it?",
                "s",
                checkpoint,
                "it waits for the next checkpoint; so exactly-once output is not the fast path",
            ),
            Step(
                f"If an order stays {took} ms in the system, how many are in it at a time?",
                "orders",
                capacity.little(orders, took / 1000),
                f"{orders:,} / s x {took / 1000:g} s (Little's law)",
                {"milliseconds are not seconds": float(orders * took)},
            ),
            Step(
                "How much state do the risk checks hold?",
                "MB",
                capacity.window_state_megabytes(instruments, state, 1),
                f"{instruments:,} x {state:,} bytes: it fits the memory of one process",
            ),
            Step(
                "How much is kept for the regulator?",
                "TB",
                log * 8 * 3600 * 250 * 5 * 2 / 6 / 1e6,
                f"{log:g} MB/s x 8 h x 3,600 s x 250 days x 5 years x 2 copies / 6",
                {"a trading day has 8 hours": log * 86_400 * 250 * 5 * 2 / 6 / 1e6},
            ),
        ),
        (
            "what really needs a millisecond (the risk check), and what does not (reports)",
            "the fast path in one process in memory, with the log beside it, not in front of it",
            "how the fast path's state is rebuilt from the log after a crash",
            "garbage collection and the slowest of a thousand, not the mean",
            "the guide's chain of Kafka and Flink does not keep a millisecond; say so",
        ),
    )


SCENARIOS: dict[str, Callable[[Random], Scenario]] = {
    "shop": _shop,
    "iot": _iot,
    "trading": _trading,
}
"""Who makes a scenario, by its name."""
