"""ekart, the shop of the guide's chapter 6, made from a seed as columns and not row by row.

Any batch of rows can be made alone (:mod:`streamgym.data.columns`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa

from streamgym.data.columns import Integers, below, joined, money, picked, shuffled, times

FORMAT = 1
"""Grows when the same seed gives other records than before."""

SELLERS, PRODUCTS, VARIANTS, ORDERS, STOCKED = 100, 10, 3, 10, 2
"""Sellers at scale 1; a seller's products, a product's variants, a seller's orders, and in how many
warehouses a variant is kept. The guide counts 11,400 records of these; its own list, with the
warehouses, adds up to about 11,505."""

START, SPAN = 1_748_736_000_000, 30 * 24 * 3600 * 1000
"""Orders are placed from 2025-06-01 00:00 UTC on, for 30 days; all times are in milliseconds."""

SELLER_BATCH, ORDER_BATCH = 500, 10_000
"""How many sellers, with all that they sell, and how many orders are one batch."""

MILLION = 1_000_000
CITIES = ("Amsterdam", "Berlin", "Chennai", "Denver", "Dublin", "Lagos", "Lima", "Lyon", "Osaka")
PLACES = ("Amsterdam", "Berlin", "Chennai", "Denver", "Osaka")
MAKERS = ("Blue", "Bright", "Calm", "Fair", "Golden", "Little", "North", "Old", "Quick", "Royal")
SHOPS = (
    "Bazaar",
    "Corner",
    "Depot",
    "Goods",
    "House",
    "Market",
    "Shop",
    "Store",
    "Supply",
    "Works",
)
ADJECTIVES = ("Classic", "Compact", "Folding", "Light", "Plain", "Quiet", "Soft", "Sturdy")
THINGS = ("Bag", "Chair", "Jacket", "Kettle", "Lamp", "Mug", "Pan", "Shirt", "Shoe", "Towel")
CATEGORIES = ("travel", "furniture", "clothes", "kitchen", "home", "kitchen", "kitchen") + (
    ("clothes",) * 2 + ("home",)
)
"""The category of each of the things."""

SIZES = ("S", "M", "L")
STATUSES = ("completed", "cancelled", "paid", "reserved", "placed")
UP_TO = (40, 55, 75, 90, 100)
"""Of a hundred orders, so many have one of the statuses up to this one."""

COMPLETED, CANCELLED, PAID, RESERVED, PLACED = range(len(STATUSES))


@dataclass(frozen=True)
class Batch:
    """Rows that belong together: ``kind`` is *warehouses*, *sellers* or *orders*."""

    kind: str
    number: int
    low: int
    high: int

    @property
    def name(self) -> str:
        """What marks it as loaded."""
        return f"{self.kind}-{self.number:05}"


@dataclass(frozen=True)
class Ekart:
    """A shop: ``Ekart(seed=7).tables(batch)`` for each of ``batches()``.

    Attributes:
        seed: draws everything.
        scale: 1 makes 100 sellers.
        duplicates: how many of a million events come twice.
        late: how many come minutes or hours after others of their time.
        malformed: how many cannot be read.
    """

    seed: int
    scale: float = 1.0
    duplicates: int = 0
    late: int = 0
    malformed: int = 0

    @property
    def sellers(self) -> int:
        """How many sellers there are."""
        return max(1, round(SELLERS * self.scale))

    @property
    def orders(self) -> int:
        """How many orders there are."""
        return self.sellers * ORDERS

    @property
    def identity(self) -> str:
        """What tells the records of this shop from those of another, as JSON."""
        shares = {n: getattr(self, n) for n in ("duplicates", "late", "malformed")}
        return json.dumps({"format": FORMAT, "seed": self.seed, "sellers": self.sellers} | shares)

    def batches(self) -> list[Batch]:
        """Return all batches; each names only rows of its own and of earlier ones."""
        return [
            Batch("warehouses", 0, 0, len(PLACES)),
            *_ranges("sellers", self.sellers, SELLER_BATCH),
            *self.order_batches(),
        ]

    def order_batches(self) -> list[Batch]:
        """Return the batches of orders: slices of time."""
        return list(_ranges("orders", self.orders, ORDER_BATCH))

    def tables(self, batch: Batch) -> dict[str, pa.Table]:
        """Return the rows of a batch, by table, each after those that it refers to."""
        if batch.kind == "warehouses":
            return {"warehouses": self._warehouses()}
        if batch.kind == "orders":
            return self._orders(batch)
        ids = np.arange(batch.low, batch.high)
        products = np.arange(batch.low * PRODUCTS, batch.high * PRODUCTS)
        variants = np.arange(products[0] * VARIANTS, (products[-1] + 1) * VARIANTS)
        return {
            "sellers": self._sellers(ids),
            "products": self._products(products),
            "variants": self._variants(variants),
            "inventory": self._inventory(variants),
        }

    def order_rows(self) -> list[tuple[int, int, Decimal, str]]:
        """Return all orders as rows: number, seller, amount and status."""
        parts = [self.tables(batch)["orders"] for batch in self.order_batches()]
        rows = pa.concat_tables(parts).select(["id", "seller_id", "amount", "status"])
        return list(zip(*rows.to_pydict().values(), strict=True))

    # Columns of orders, by their numbers from 0

    def slot(self, orders: Integers) -> Integers:
        """Return the first moment of each order's share of the time."""
        return START + orders * SPAN // self.orders

    def placed_at(self, orders: Integers) -> Integers:
        """Return when orders were placed; a later order has a greater number."""
        begin = self.slot(orders)
        return begin + self.below("orders.placed_at", orders, self.slot(orders + 1) - begin)

    def seller(self, orders: Integers) -> Integers:
        """Return the sellers of orders; each seller has ten, wherever in time."""
        return shuffled(self.seed, "orders.seller", orders, self.orders) // ORDERS

    def variant(self, orders: Integers) -> Integers:
        """Return what was bought, one of the seller's variants."""
        own = PRODUCTS * VARIANTS
        return self.seller(orders) * own + self.below("orders.variant", orders, own)

    def quantity(self, orders: Integers) -> Integers:
        """Return how many were bought."""
        return 1 + self.below("orders.quantity", orders, 5)

    def customer(self, orders: Integers) -> Integers:
        """Return the customers of orders."""
        return self.below("orders.customer", orders, 20 * self.sellers)

    def status(self, orders: Integers) -> Integers:
        """Return how far orders have come, as places in STATUSES."""
        return np.searchsorted(UP_TO, self.below("orders.status", orders, 100), side="right")

    def price(self, variants: Integers) -> Integers:
        """Return prices in cents."""
        base = 499 + 100 * self.below("products.price", variants // VARIANTS, 200)
        return base + 250 * (variants % VARIANTS)

    def kept_in(self, variants: Integers) -> tuple[Integers, Integers]:
        """Return the two warehouses in which variants are kept."""
        first = self.below("inventory.first", variants, len(PLACES))
        step = 1 + self.below("inventory.second", variants, len(PLACES) - 1)
        return first, (first + step) % len(PLACES)

    # Tables

    def _warehouses(self) -> pa.Table:
        ids = np.arange(len(PLACES))
        code = joined("W", ids + 1)
        return pa.table({"id": ids + 1, "code": code, "city": picked(PLACES, ids)})

    def _sellers(self, ids: Integers) -> pa.Table:
        names = [
            picked(words, self.below(f"sellers.{column}", ids, len(words)))
            for column, words in (("maker", MAKERS), ("shop", SHOPS), ("city", CITIES))
        ]
        joined_at = START - 86_400_000 * (1 + self.below("sellers.joined", ids, 1000))
        return pa.table(
            {
                "id": ids + 1,
                "name": joined(names[0], " ", names[1]),
                "email": joined("seller", ids + 1, "@ekart.example"),
                "city": names[2],
                "joined_at": times(joined_at),
            }
        )

    def _products(self, ids: Integers) -> pa.Table:
        thing = self.below("products.thing", ids, len(THINGS))
        adjective = self.below("products.adjective", ids, len(ADJECTIVES))
        return pa.table(
            {
                "id": ids + 1,
                "seller_id": ids // PRODUCTS + 1,
                "name": joined(picked(ADJECTIVES, adjective), " ", picked(THINGS, thing)),
                "category": picked(CATEGORIES, thing),
            }
        )

    def _variants(self, ids: Integers) -> pa.Table:
        size = picked(SIZES, ids % VARIANTS)
        return pa.table(
            {
                "id": ids + 1,
                "product_id": ids // VARIANTS + 1,
                "sku": joined("P", ids // VARIANTS + 1, "-", size),
                "size": size,
                "price": money(self.price(ids)),
            }
        )

    def _inventory(self, variants: Integers) -> pa.Table:
        both = np.repeat(variants, STOCKED)
        return pa.table(
            {
                "variant_id": both + 1,
                "warehouse_id": np.stack(self.kept_in(variants), axis=1).ravel() + 1,
                "quantity": self.below("inventory.quantity", both * 2 + _parity(both), 500),
            }
        )

    def _orders(self, batch: Batch) -> dict[str, pa.Table]:
        ids = np.arange(batch.low, batch.high)
        status, quantity, variant = self.status(ids), self.quantity(ids), self.variant(ids)
        placed_at, amount = self.placed_at(ids), quantity * self.price(variant)
        orders = {
            "id": ids + 1,
            "seller_id": variant // (PRODUCTS * VARIANTS) + 1,
            "variant_id": variant + 1,
            "customer_id": self.customer(ids) + 1,
            "quantity": quantity,
            "amount": money(amount),
            "status": picked(STATUSES, status),
            "placed_at": times(placed_at),
        }
        done = np.flatnonzero(status == COMPLETED)
        days = 1 + self.below("payouts.days", ids[done], 14)
        payouts = {
            "order_id": ids[done] + 1,
            "seller_id": variant[done] // (PRODUCTS * VARIANTS) + 1,
            "amount": money(amount[done] * 9 // 10),
            "paid_at": times(placed_at[done] + days * 86_400_000),
        }
        return {"orders": pa.table(orders), "payouts": pa.table(payouts)}

    def below(self, column: str, ids: Integers, limit: int | Integers) -> Integers:
        """Draw for each row a whole number from 0 up to, without, a limit below 2**32."""
        return below(self.seed, column, ids, limit)


def _ranges(kind: str, end: int, size: int) -> Iterator[Batch]:
    for number, low in enumerate(range(0, end, size)):
        yield Batch(kind, number, low, min(low + size, end))


def _parity(both: Integers) -> Integers:
    """Return 0 and 1 in turns."""
    return np.arange(len(both)) % STOCKED
