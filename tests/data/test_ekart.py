"""ekart from a seed: the same bytes for ever, whatever is made first, and whole."""

import hashlib
import json
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from streamgym.data import ekart
from streamgym.data.columns import mixed
from streamgym.data.ekart import Ekart
from streamgym.data.ekart_events import TOPICS, events
from streamgym.data.seeding.postgres import REFERENCES, encoded

GOLDEN = "70cc879e4eae6a1fb6ea75fd343b583a3534ccdaaaac7cc66feb4ed5c4aa5d71"
SPOILT = Ekart(7, 25, duplicates=20_000, late=30_000, malformed=10_000)


def tables(shop):
    parts = {}
    for batch in shop.batches():
        for name, table in shop.tables(batch).items():
            parts.setdefault(name, []).append(table)
    return {name: pa.concat_tables(found) for name, found in parts.items()}


def all_events(shop):
    return pa.concat_tables([events(shop, batch) for batch in shop.order_batches()])


def named(table, column):
    return dict(zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True))


def read(value):
    try:
        return json.loads(value)
    except ValueError:
        return {}


def test_the_same_seed_gives_the_same_bytes():
    shop = Ekart(7, 0.5, duplicates=50_000, late=50_000, malformed=50_000)
    digest = hashlib.sha256()
    for _, table in sorted(tables(shop).items()):
        digest.update(encoded(table))
    for value in all_events(shop)["value"].to_pylist():
        digest.update(value)
    assert digest.hexdigest() == GOLDEN


def test_bits_are_those_of_splitmix64():
    steps = np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    first = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert mixed(steps + np.uint64(1234567)).tolist() == first


def test_another_seed_gives_another_shop():
    one, other = (Ekart(seed).tables(Ekart(seed).batches()[-1])["orders"] for seed in (7, 8))
    assert not one.equals(other)


def test_batches_in_any_order_and_of_any_size(monkeypatch):
    whole, found = tables(SPOILT), all_events(SPOILT)
    monkeypatch.setattr(ekart, "ORDER_BATCH", 7_000)
    monkeypatch.setattr(ekart, "SELLER_BATCH", 333)
    parts = {batch: SPOILT.tables(batch) for batch in reversed(SPOILT.batches())}
    for name, table in whole.items():
        again = [parts[b][name] for b in reversed(parts) if name in parts[b]]
        assert pa.concat_tables(again).equals(table), name
    assert all_events(SPOILT).equals(found)


def test_as_many_records_as_the_guide_says():
    counts = {name: table.num_rows for name, table in tables(Ekart(7)).items()}
    payouts = counts.pop("payouts")
    assert counts == {
        "warehouses": 5,
        "sellers": 100,
        "products": 1000,
        "variants": 3000,
        "inventory": 6000,
        "orders": 1000,
    }
    assert 350 < payouts < 450


def test_every_reference_is_met():
    shop = tables(Ekart(7, 3))
    for (table, column), other in REFERENCES.items():
        assert pc.all(pc.is_in(shop[table][column], shop[other]["id"])).as_py(), (table, column)
    of_seller = named(shop["products"], "seller_id")
    of_product = named(shop["variants"], "product_id")
    for order in shop["orders"].to_pylist():
        assert of_seller[of_product[order["variant_id"]]] == order["seller_id"]


@pytest.mark.parametrize("scale", [0.01, 0.37, 1, 17])
def test_every_seller_has_ten_orders_somewhere_in_time(scale):
    shop = Ekart(7, scale)
    orders = np.arange(shop.orders)
    assert (np.bincount(shop.seller(orders)) == 10).all()
    assert (np.diff(shop.placed_at(orders)) > 0).all()
    assert shop.placed_at(orders)[-1] < ekart.START + ekart.SPAN


def test_events_tell_the_lives_of_the_orders():
    shop = Ekart(7, 2)
    lives = {}
    for value in all_events(shop)["value"].to_pylist():
        event = json.loads(value)
        lives.setdefault(event["order_id"], []).append(event)
    last = {"placed": 0, "reserved": 1, "paid": 2, "completed": 3, "cancelled": 4}
    for order in tables(shop)["orders"].to_pylist():
        life = lives[order["id"]]
        created = life[0]
        assert life[-1]["type"] == TOPICS[last[order["status"]]]
        assert created["amount_cents"] == int(order["amount"] * 100)
        assert [e["event_time"] for e in life] == sorted(e["event_time"] for e in life)
        ours = {name: order[name] for name in ("seller_id", "variant_id", "customer_id")}
        assert ours == {name: created[name] for name in ours}


def test_without_shares_every_event_comes_once_and_in_its_time():
    found = all_events(Ekart(7, 25))
    assert (np.diff(found["time"].to_numpy()) >= 0).all()
    numbers = [json.loads(value)["event_id"] for value in found["value"].to_pylist()]
    assert len(set(numbers)) == len(numbers)


def test_shares_are_what_was_asked_for():
    found = all_events(SPOILT)
    values = found["value"].to_pylist()
    readable = [event for event in map(read, values) if "event_id" in event]
    assert 1 - len(readable) / len(values) == pytest.approx(0.01, rel=0.15)
    times = Counter(event["event_id"] for event in readable)
    assert sum(n == 2 for n in times.values()) / len(times) == pytest.approx(0.02, rel=0.15)
    assert max(times.values()) == 2
    places = {value: place for place, value in reversed(list(enumerate(values)))}
    first = found["time"].to_numpy()[sorted(places.values())]
    behind = np.maximum.accumulate(first) - first
    assert (behind >= 5 * 60_000).mean() == pytest.approx(0.03, rel=0.15)
    assert behind.max() <= 7 * 3_600_000


def test_times_and_money_are_texts_that_everybody_reads():
    value = json.loads(all_events(Ekart(7, 0.1))["value"][0].as_py())
    assert re.fullmatch(r"2025-06-01T\d\d:\d\d:\d\d\.\d{3}Z", value["event_time"])
    row = bytes(encoded(tables(Ekart(7, 0.1))["orders"])).splitlines()[0]
    assert re.fullmatch(rb'(\d+,){5}\d+\.\d\d,"?\w+"?,2025-06-01 .*Z', row)
