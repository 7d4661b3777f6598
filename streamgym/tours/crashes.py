"""What a crash leaves behind: a clerk is killed at each request of its second batch, and drawn."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from streamgym.checks import logs, topics
from streamgym.checks.logs import Log
from streamgym.faults.sweep import AT_ONCE, LANE, Point, Stage, Trial, run_once
from streamgym.faults.trace import Trace
from streamgym.lab.scripts import workspace

BATCH = 2
"""The batch in which a clerk is killed."""

RIGHT, LOST, TWICE = 0, 1, 2
MEANINGS = {"once": "#cfe8d5", "lost": "#d1433f", "twice": "#e08a00"}
"""What became of an order, and its colour."""


@dataclass(frozen=True)
class Books:
    """A topic of orders, and which orders these are.

    Attributes:
        servers: the broker's bootstrap servers.
        source: the topic.
        orders: its records, in order, as :mod:`streamgym.data.shop` draws them.
    """

    servers: str
    source: str
    orders: Sequence[dict[str, object]]

    def run(self, script: str, point: Point | None = None) -> "Ledger":
        """Let a clerk write a new ledger; when there is a point, kill it there and restart it.

        Raises:
            Ungradable: it did not come to its end in time.
        """
        topic = topics.create(self.servers)
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "INPUT_TOPIC": self.source,
            "OUTPUT_TOPIC": topic,
            "GROUP_ID": f"{topic}-group",
        }
        stage = Stage(env, release=partial(topics.remove_members, self.servers))
        trial = run_once(lambda: workspace(script), stage, point)
        return Ledger(topic, trial, tuple(self._fates(topics.read(self.servers, topic))))

    def sweep(self, script: str) -> list["Ledger"]:
        """Kill a clerk at each request of the second batch that it has when nobody disturbs it.

        Raises:
            Ungradable: a run did not come to its end in time.
        """
        found = points(self.run(script).trial.trace)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(partial(self.run, script), found))

    def _fates(self, ledger: Log) -> list[int]:
        lost = set(logs.lost(self.orders, ledger, "order"))
        twice = set(logs.duplicated(ledger, "order"))
        names = [order["order"] for order in self.orders]
        return [LOST if name in lost else TWICE if name in twice else RIGHT for name in names]


@dataclass(frozen=True)
class Ledger:
    """What one run has left behind: the topic, how the run went, and what became of each order."""

    topic: str
    trial: Trial
    fates: tuple[int, ...]

    @property
    def lost(self) -> int:
        """How many orders are missing."""
        return self.fates.count(LOST)

    @property
    def twice(self) -> int:
        """How many orders are there more than once."""
        return self.fates.count(TWICE)

    @property
    def outcome(self) -> str:
        """What is wrong: *lost*, *twice* or *both*; *once* when nothing is."""
        wrong = [what for what, many in (("lost", self.lost), ("twice", self.twice)) if many]
        return "both" if len(wrong) == 2 else (wrong or ["once"])[0]


def at(ledgers: Sequence[Ledger], when: str, kind: str) -> Ledger:
    """Return what was left by the crash at this point.

    Raises:
        StopIteration: nobody was killed there.
    """
    return next(led for led in ledgers if led.trial.point == Point(when, kind, BATCH))


def points(trace: Trace) -> list[Point]:
    """Return where to kill: before the second batch's first request, and after each of them."""
    found = [event for event in trace.durable(LANE) if event.number == BATCH]
    before = [Point("before", event.kind, BATCH) for event in found[:1]]
    return before + [Point("after", event.kind, BATCH) for event in found]


def draw(**clerks: Sequence[Ledger]) -> None:
    """Draw what became of each order (upwards) after each crash (to the right)."""
    widths = [len(ledgers) for ledgers in clerks.values()]
    _figure, columns = plt.subplots(
        1,
        len(clerks),
        figsize=(1.6 + 0.75 * sum(widths), 3.6),
        width_ratios=widths,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, ledgers) in zip(columns[0], clerks.items(), strict=True):
        _panel(axes, ledgers)
        axes.set_title(name.replace("_", " "))
    columns[0][0].set_ylabel("order")
    patches = [Patch(color=colour, label=name) for name, colour in MEANINGS.items()]
    columns[0][-1].legend(handles=patches, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    plt.show()


def _panel(axes: Axes, ledgers: Sequence[Ledger]) -> None:
    rows = list(zip(*(ledger.fates for ledger in ledgers), strict=True))
    colours = ListedColormap(list(MEANINGS.values()))
    axes.pcolormesh(rows, cmap=colours, vmin=RIGHT, vmax=TWICE, edgecolors="white", linewidth=0.5)
    labels = [_label(ledger.trial.point) for ledger in ledgers]
    axes.set_xticks([n + 0.5 for n in range(len(labels))], labels, rotation=40, ha="right")
    axes.tick_params(labelsize=8)


def _label(point: Point | None) -> str:
    return f"{point.when} {point.kind}" if point else "no crash"
