"""Views of one log (tour of chapter 8): daily sales, and a view that is replayed beside another."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing

import matplotlib.pyplot as plt
import pandas as pd
from kafka import KafkaConsumer

from streamgym.tours.orders import Event
from streamgym.workers import at_end

COLOURS = ("#cccccc", "#3b7dd8", "#e08a00")
WIDTHS = (0.9, 0.55)
SEAM = "#d1433f"


def project(
    servers: str,
    topic: str,
    group: str,
    apply: Callable[[Event], object],
    after: Callable[[int], object] = lambda _: None,
) -> int:
    """Apply the events that a group has not read yet, up to the end, and return how many.

    Each batch of at most 50 is committed after it was applied: after a crash some come again.

    Args:
        servers: the broker's bootstrap servers.
        topic: the log.
        group: whose offsets count; a new one begins with the oldest event.
        apply: puts one event into the view.
        after: is told after each batch how many were read.
    """
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=50,
    )
    read = 0
    with closing(consumer):
        while not at_end(consumer):
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    apply(json.loads(record.value))
                consumer.commit()
                read += len(records)
                after(read)
    return read


def draw_days(layers: Mapping[str, Mapping[int, int]], seam: int = 0) -> None:
    """Draw daily sums, given in cents, as bars one before the other.

    Args:
        layers: sums by day, by the layer's name; the first stands behind.
        seam: the last day of the batch layer, after which a line is drawn.
    """
    _figure, axes = plt.subplots(figsize=(9, 2.8), layout="constrained")
    for (name, sums), colour, width in zip(layers.items(), COLOURS, WIDTHS, strict=False):
        euros = [cents / 100 for cents in sums.values()]
        axes.bar(list(sums), euros, width=width, color=colour, label=name)
    if seam:
        axes.axvline(seam + 0.5, color=SEAM, linestyle=":", label="last batch run")
    axes.set(xlabel="day of June 2025", ylabel="sold (euros)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    plt.show()


def draw_replay(seen: pd.DataFrame) -> None:
    """Draw what each view said, in euros, while the new one was replayed.

    Args:
        seen: a row a look; ``read`` is how many events the new view had read by then, all other
            columns are sums in cents. The last column is what readers saw.
    """
    _figure, axes = plt.subplots(figsize=(9, 2.8), layout="constrained")
    *versions, readers = [name for name in seen if name != "read"]
    axes.plot(seen["read"], seen[readers] / 100, color=COLOURS[0], linewidth=9, label=readers)
    for name, colour in zip(versions, COLOURS[1:], strict=False):
        axes.plot(seen["read"], seen[name] / 100, ".-", color=colour, label=name)
    axes.set(xlabel="events that the new version has read", ylabel="sold (euros)", ylim=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    plt.show()
