"""Pictures of windows and of time, drawn from a frame of flights, and of a Spark stage's tasks."""

from datetime import timedelta
from typing import TYPE_CHECKING

import ipywidgets
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from streamgym.data import windows

if TYPE_CHECKING:
    from streamgym.checks.stages import Measured

ON_TIME, LATE, WINDOW = "#3b7dd8", "#d1433f", "#9ec5f4"


def event_time(events: pd.DataFrame) -> None:
    """Draw each event's own time against the time at which it became known."""
    _figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    late = events["delay"] > 30
    for part, colour, label in ((~late, ON_TIME, "as planned"), (late, LATE, "over 30 min late")):
        axes.plot(events["actual"][part], events["scheduled"][part], ".", color=colour, label=label)
    ends = [events["scheduled"].min(), events["scheduled"].max()]
    axes.plot(ends, ends, color="grey", linewidth=1, label="known at once")
    axes.set(xlabel="became known (UTC)", ylabel="event time: scheduled (UTC)")
    _clock(axes)
    axes.yaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))
    axes.legend()
    plt.show()


def replays(counts: dict[str, list[int]]) -> None:
    """Draw counts per window side by side, one colour a replay."""
    frame = pd.DataFrame({name: pd.Series(values) for name, values in counts.items()}).fillna(0)
    axes = frame.plot.bar(figsize=(8, 3), width=0.8, rot=0, color=[ON_TIME, LATE])
    axes.set(xlabel="window of the machine's clock (processing time)", ylabel="flights")
    plt.show()


def timeline(events: pd.DataFrame, size: timedelta, slide: timedelta, lateness: timedelta) -> None:
    """Draw windows over a timeline; events that come behind the watermark are marked.

    Each bar is a window, as high up as it is the n-th to begin; each point is an event at its own
    time, drawn higher the later it became known.
    """
    late = windows.is_late(events, lateness)
    _figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(9, 5), sharex=True, height_ratios=[1, 2], layout="constrained"
    )
    _draw_windows(top, events["scheduled"], size, slide)
    known = range(len(events))
    order = pd.Series(known, index=events.index)
    for part, colour, name in ((~late, ON_TIME, "on time"), (late, LATE, "late")):
        label = f"{name}: {int(part.sum())}"
        bottom.plot(events["scheduled"][part], order[part], ".", color=colour, label=label)
    watermark = events["scheduled"].cummax() - lateness
    bottom.plot(watermark, order, color="black", linewidth=1, label="watermark")
    bottom.set(ylabel="order of arrival", xlabel="event time (UTC)")
    bottom.legend(loc="lower right")
    _clock(bottom)
    plt.show()


def tasks(**queries: "Measured") -> None:
    """Draw a bar for each task of a query's most skewed stage, as long as its records are many.

    The queries stand side by side on one scale; a bar's number is the task's milliseconds.
    """
    _figure, columns = plt.subplots(
        1, len(queries), figsize=(9, 3), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (name, query) in zip(columns[0], queries.items(), strict=True):
        found = query.skewed.tasks
        records = [task.read for task in found]
        most = max(records, default=0)
        colours = [LATE if number == most else ON_TIME for number in records]
        bars = axes.bar(range(len(found)), records, color=colours)
        axes.bar_label(
            bars, [task.milliseconds for task in found], fontsize=7, rotation=90, padding=2
        )
        axes.margins(y=0.25)
        axes.set_xlim(-1, max(len(found), 8))
        title = f"{name.replace('_', ' ')}: largest task {query.largest_share:.0%}"
        axes.set(xlabel="task (number: milliseconds)", title=title)
    columns[0][0].set_ylabel("records read")
    plt.show()


def explore(events: pd.DataFrame) -> ipywidgets.Widget:
    """Return the timeline with sliders for size, slide and lateness, in minutes."""

    def minutes(name: str, value: int, low: int, high: int) -> ipywidgets.IntSlider:
        return ipywidgets.IntSlider(
            value, low, high, 5, description=name, continuous_update=False, readout_format="d"
        )

    def draw(size: int, slide: int, lateness: int) -> None:
        timeline(events, *(timedelta(minutes=m) for m in (size, slide, lateness)))

    sliders = {
        "size": minutes("size", 60, 10, 180),
        "slide": minutes("slide", 60, 10, 180),
        "lateness": minutes("lateness", 30, 0, 240),
    }
    picture = ipywidgets.interactive_output(draw, sliders)
    return ipywidgets.VBox([ipywidgets.HBox(list(sliders.values())), picture])


def _draw_windows(axes: Axes, times: pd.Series, size: timedelta, slide: timedelta) -> None:
    start = times.min().floor(slide) - size + slide
    rows = max(1, -(-size // slide))
    number = 0
    while start <= times.max():
        held = int(((times >= start) & (times < start + size)).sum())
        place = (mdates.date2num(start), number % rows)
        width = mdates.date2num(start + size) - place[0]
        axes.add_patch(Rectangle(place, width, 0.85, facecolor=WINDOW, edgecolor="white"))
        axes.text(place[0] + width / 2, place[1] + 0.42, str(held), ha="center", va="center")
        start, number = start + slide, number + 1
    axes.set(ylim=(0, rows), yticks=[], ylabel="flights in\neach window")


def _clock(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))
