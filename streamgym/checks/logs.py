"""Properties of logs: each function returns, in order, what breaks its property; none: it holds.

A *log* is a list of records as a check reads them: plain dicts. ``by`` names the field that
identifies a record. An identifier is a text or a whole number; a record without one, or with
anything else there, was never sent by anybody and counts as a phantom that says what it holds.

Names follow the consistency literature: Adya's thesis (Weak Consistency, MIT 1999) for G1a, and
the anomalies of Jepsen's Kafka workload (``jepsen.tests.kafka``) and of its analysis of Bufstream
0.1.0, which found lost writes, aborted reads and torn transactions in Kafka itself.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Log = Iterable[Mapping[str, Any]]
Id = str | int


def lost(sent: Log, log: Log, by: str) -> list[Id]:
    """Return ids that were sent and never arrived.

    Jepsen's *lost write*: an acknowledged record that no reader of the log sees, though the log
    was read beyond it. Kafka's documentation ("Message Delivery Semantics") calls a system in
    which this cannot happen *at least once*.
    """
    arrived = set(_ids(log, by))
    return [name for name in _distinct(_ids(sent, by)) if name not in arrived]


def duplicated(log: Log, by: str) -> list[Id]:
    """Return ids that arrived more than once.

    Jepsen's *duplicate*: one record at several offsets. Kafka's documentation ("Message Delivery
    Semantics") calls a system in which this cannot happen *at most once*; KIP-98's idempotent
    producer excludes the duplicates of a producer's own retries, and no others.
    """
    return [name for name, times in Counter(_ids(log, by)).items() if times > 1]


def phantom(sent: Log, log: Log, by: str) -> list[Id]:
    """Return ids that arrived and were never sent.

    The *integrity* (no creation) property of broadcast: a record is delivered only if it was sent
    (Cachin, Guerraoui, Rodrigues: Reliable and Secure Distributed Programming, module 3.1).
    """
    known = set(_ids(sent, by))
    return [name for name in _distinct(_ids(log, by)) if name not in known]


def reordered(sent: Log, log: Log, by: str, key: str) -> list[Id]:
    """Return ids that arrived before one that was sent earlier under the same key.

    Jepsen's *nonmonotonic send*, for each key. Kafka's documentation promises that records which
    a producer sends to one partition are appended in the order in which they were sent, and
    records of a key share a partition. First arrivals count: a repetition is a duplicate, and a
    record that never arrived is lost; neither makes others reordered. The key is the one sent.
    """
    rank = {name: number for number, name in enumerate(_distinct(_ids(sent, by)))}
    keys = {_id(record, by): _id(record, key) for record in sent}
    arrived = [name for name in _distinct(_ids(log, by)) if name in rank]
    earliest: dict[Id, int] = {}
    found: set[Id] = set()
    for name in reversed(arrived):
        smallest_behind = earliest.get(keys[name], rank[name])
        if rank[name] > smallest_behind:
            found.add(name)
        earliest[keys[name]] = min(rank[name], smallest_behind)
    return [name for name in arrived if name in found]


def torn(log: Log, by: str, whole: str) -> list[Id]:
    """Return ids of units of which only a part is visible.

    A unit, such as an order, is written as several records in one transaction. Each names the
    unit (``by``) and says how many records make it (``whole``); fewer distinct ones are a part.
    KIP-98 promises that the writes of a transaction are visible all or none; Jepsen (Bufstream
    0.1.0) calls a breach a *torn transaction*, Bailis et al. (RAMP, 2014) a *fractured read*.
    """
    parts: dict[Id, set[str]] = {}
    due: dict[Id, int] = {}
    for record in log:
        name = _id(record, by)
        parts.setdefault(name, set()).add(_text(record))
        due[name] = max(due.get(name, 0), _number(record, whole))
    return [name for name in parts if not 0 < due[name] <= len(parts[name])]


def aborted_read(effects: Log, aborted: Log, by: str) -> list[Id]:
    """Return ids whose effect came from a record of an aborted transaction.

    Adya's G1a, *aborted read*: a committed transaction has read what an aborted one wrote. KIP-98:
    a consumer with ``isolation.level=read_committed`` is not given such records.
    """
    forbidden = set(_ids(aborted, by))
    return [name for name in _distinct(_ids(effects, by)) if name in forbidden]


def regressions(commits: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return committed offsets, as (partition, offset), that are below an earlier one.

    An offset that a group commits says that everything before it is handled (Kafka's
    documentation, "Consumer Position"), so it only grows. KIP-447 names how it goes back: a zombie
    of an earlier generation of the group commits after its successor has.
    """
    highest: dict[int, int] = {}
    found = []
    for partition, offset in commits:
        if offset < highest.get(partition, offset):
            found.append((partition, offset))
        highest[partition] = max(offset, highest.get(partition, offset))
    return found


def reprocessed(handled: Log, by: str, at_most: int) -> list[Id]:
    """Return ids handled more than ``at_most`` times.

    At least once allows repetitions, yet only of what was in hand at a crash: a crash repeats a
    record once. A record that comes back for ever, such as a poison record that is retried
    without end, is a *livelock* that no delivery guarantee excuses.
    """
    return [name for name, times in Counter(_ids(handled, by)).items() if times > at_most]


def _ids(log: Log, by: str) -> list[Id]:
    return [_id(record, by) for record in log]


def _id(record: Mapping[str, Any], by: str) -> Id:
    """Return a record's id; one that is neither text nor a whole number is described instead."""
    value: Any = record.get(by)
    is_id = type(value) in (str, int)  # True and 1.0 would pass for 1
    return value if is_id else f"no {by}: {_text(record)[:80]}"


def _number(record: Mapping[str, Any], field: str) -> int:
    value = record.get(field)
    return value if type(value) is int else 0


def _text(record: Mapping[str, Any]) -> str:
    try:
        return json.dumps(record, sort_keys=True, default=repr)
    except (RecursionError, TypeError, ValueError):
        return "(cannot be shown)"


def _distinct(names: Sequence[Id]) -> list[Id]:
    return list(dict.fromkeys(names))
