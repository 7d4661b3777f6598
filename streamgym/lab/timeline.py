"""A trace as a picture: time runs to the right, each request is an arrow from worker to system."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from streamgym.faults.trace import Event, Fate, Trace

COLOURS = {
    Fate.ANSWERED: "#3b7dd8",
    Fate.DELIVERED: "#3b7dd8",
    Fate.UNANSWERED: "#e08a00",
    Fate.UNDELIVERED: "#d1433f",
}
SYSTEM = {"COMMIT": "Postgres", "INSERT": "Postgres", "UPDATE": "Postgres", "DELETE": "Postgres"}
SYSTEM |= {"CopyDone": "Postgres"}
SYSTEM |= {"POST": "HTTP", "PUT": "HTTP"}
"""Which system a kind of request goes to, when it is not Kafka."""


def timeline(trace: Trace, title: str = "") -> None:
    """Draw a run's durable requests, and where its worker was killed and started again."""
    events = trace.durable()
    lanes = _lanes(events)
    _figure, axes = plt.subplots(figsize=(10, 1.6 + 0.8 * len(lanes)), layout="constrained")
    height = {lane: len(lanes) - 1 - number for number, lane in enumerate(lanes)}
    for number, event in enumerate(events):
        _arrow(axes, number, event, height)
    for seconds, lane, what in trace.marks:
        _mark(axes, _place(events, seconds), height.get(lane, 0), what)
    axes.set_yticks(list(height.values()), list(height))
    axes.set(
        xlim=(-1, max(1, len(events))),
        ylim=(-0.6, len(lanes) - 0.4),
        xticks=[],
        xlabel="requests that change something, in their order",
        title=title,
    )
    _legend(axes)
    plt.show()


def _lanes(events: Sequence[Event]) -> list[str]:
    """Return the rows of the picture: workers on top, the systems that they write to below."""
    workers = dict.fromkeys(event.lane for event in events)
    systems = dict.fromkeys(_system(event) for event in events)
    return [*workers, *systems] or ["worker"]


def _system(event: Event) -> str:
    return SYSTEM.get(event.kind, "Kafka")


def _place(events: Sequence[Event], seconds: float) -> float:
    """Return where among the events a moment lies."""
    return sum(event.seconds < seconds for event in events) - 0.5


def _arrow(axes: Axes, at: int, event: Event, height: dict[str, int]) -> None:
    top, bottom = height[event.lane], height[_system(event)]
    colour = COLOURS[event.fate]
    arrives = event.fate is not Fate.UNDELIVERED
    end = bottom if arrives else (top + bottom) / 2
    arrow = {"arrowstyle": "->" if arrives else "-", "color": colour, "linewidth": 1.6}
    axes.annotate("", xy=(at, end), xytext=(at, top), arrowprops=arrow)
    if not arrives:
        axes.plot(at, end, "x", color=colour, markersize=9, markeredgewidth=2)
    text = f"{event.kind} {event.number}"
    axes.text(at + 0.06, (top + end) / 2, text, rotation=90, va="center", fontsize=8, color=colour)


def _mark(axes: Axes, at: float, height: int, what: str) -> None:
    axes.axvline(at, color="black", linestyle=":", linewidth=1)
    side = "left" if what == "started again" else "right"
    text = f"{what} " if side == "right" else f" {what}"
    axes.text(at, height + 0.12, text, ha=side, va="bottom", fontsize=9, weight="bold")


def _legend(axes: Axes) -> None:
    meanings = {Fate.ANSWERED: "answered", Fate.UNANSWERED: "answer withheld"}
    meanings[Fate.UNDELIVERED] = "never arrived"
    for fate, meaning in meanings.items():
        axes.plot([], [], color=COLOURS[fate], label=meaning)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False)
