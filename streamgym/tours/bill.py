"""What a pipeline costs a month, with the reader's own numbers (chapter 16)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd

from streamgym.interview import capacity

HOURS = 730
"""Of a month: 365 days of 24 hours, by 12."""

SECONDS = HOURS * 3600
SLIDERS = {
    "events": ("events a second", 0, 20_000, 100),
    "size": ("bytes of an event", 10, 2_000, 10),
    "compression": ("times smaller in the topic", 1, 10, 0.1),
    "days": ("days in the topic", 0, 90, 1),
    "replicas": ("replicas", 1, 5, 1),
    "groups": ("groups that read", 0, 20, 1),
    "years": ("years in files", 0, 10, 1),
    "archive": ("times smaller in files", 1, 50, 0.1),
    "consumer_hours": ("machine hours a day", 0, 240, 1),
}
"""What a number is called, from where to where it can be moved, and its step."""

PRICES = {
    "hot": "GB at a broker, a month",
    "cold": "GB in files, a month",
    "traffic": "GB sent by a broker",
    "machine": "hour of a machine",
}
"""What the prices are for."""

LOOKS = {"style": {"description_width": "170px"}, "layout": {"width": "430px"}}
COLOURS = ("#3b7dd8", "#9ec5f4", "#e08a00", "#8e5bbf", "#2e9e5b")


@dataclass(frozen=True)
class Pipeline:
    """A topic, who reads it, and what is kept of it. Prices are in the reader's currency.

    Attributes:
        events: a second, around the clock.
        size: of an event as JSON, in bytes.
        compression: how many times smaller the producer's batches make it.
        days: of retention in the topic.
        replicas: of the topic.
        groups: that read it.
        years: for which history is kept as files.
        archive: how many times smaller than JSON these files are.
        consumer_hours: of machines a day.
        hot: price of a GB of the brokers' disks for a month.
        cold: price of a GB of files for a month.
        traffic: price of a GB that a broker sends.
        machine: price of a machine for an hour.
    """

    events: float = 1000
    size: float = 180
    compression: float = 4
    days: float = 7
    replicas: int = 3
    groups: int = 3
    years: float = 2
    archive: float = 10
    consumer_hours: float = 24
    hot: float = 0.10
    cold: float = 0.02
    traffic: float = 0.01
    machine: float = 0.10

    @property
    def rate(self) -> float:
        """MB a second, before compression."""
        return capacity.megabytes_per_second(self.events, self.size)

    def gigabytes(self) -> dict[str, float]:
        """Return what is stored, and what the brokers send in a month, in GB."""
        wire = self.rate / self.compression
        kept = capacity.stored_terabytes(self.rate, self.days, self.replicas, self.compression)
        history = capacity.stored_terabytes(self.rate, 365 * self.years, 1, self.archive)
        return {
            "topic": 1000 * kept,
            "files": 1000 * history,
            "to replicas": wire * (self.replicas - 1) * SECONDS / 1000,
            "to groups": wire * self.groups * SECONDS / 1000,
        }

    def costs(self) -> dict[str, float]:
        """Return what each part costs a month."""
        size = self.gigabytes()
        return {
            "topic": size["topic"] * self.hot,
            "files": size["files"] * self.cold,
            "to replicas": size["to replicas"] * self.traffic,
            "to groups": size["to groups"] * self.traffic,
            "consumers": self.consumer_hours * HOURS / 24 * self.machine,
        }


def draw(bills: Mapping[str, Pipeline]) -> None:
    """Draw the bills of pipelines, a row for each, with what each part costs a month."""
    _figure, axes = plt.subplots(figsize=(9, 0.45 * len(bills) + 1.2), layout="constrained")
    costs = pd.DataFrame({name: pipeline.costs() for name, pipeline in bills.items()}).T
    left = pd.Series(0.0, index=costs.index)
    for (part, cost), colour in zip(costs.items(), COLOURS, strict=True):
        axes.barh(list(bills), cost, left=left, color=colour, label=part, height=0.6)
        left += cost
    for row, total in enumerate(left):
        axes.text(total, row, f" {total:,.0f}", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel="a month, in your currency")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(COLOURS), frameon=False)
    plt.show()


def calculator(start: Pipeline) -> ipywidgets.Widget:
    """Return a bill with sliders and prices, that is drawn anew when one is changed."""
    sliders = {name: _slider(name, getattr(start, name)) for name in SLIDERS}
    prices = {name: _price(name, getattr(start, name)) for name in PRICES}

    def show(**values: Any) -> None:
        draw({"yours": replace(start, **values)})

    columns = [ipywidgets.VBox(list(each.values())) for each in (sliders, prices)]
    picture = ipywidgets.interactive_output(show, sliders | prices)
    return ipywidgets.VBox([ipywidgets.HBox(columns), picture])


def _slider(name: str, value: float) -> ipywidgets.Widget:
    label, least, most, step = SLIDERS[name]
    kind = ipywidgets.IntSlider if isinstance(value, int) else ipywidgets.FloatSlider
    return kind(
        value=value,
        min=least,
        max=most,
        step=step,
        description=label,
        continuous_update=False,
        **LOOKS,
    )


def _price(name: str, value: float) -> ipywidgets.Widget:
    return ipywidgets.BoundedFloatText(
        value=value, max=1e6, step=0.01, description=PRICES[name], **LOOKS
    )
