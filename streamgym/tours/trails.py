"""One click followed through topics by the id in its records' headers (tour of chapter 7)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from streamgym.checks.topics import Record

HEADER = "correlation-id"
UNKNOWN = "#bbbbbb"
COLOURS = ("#3b7dd8", "#e08a00", "#2e9e5b", "#8e5bbf", "#c2557a")


def draw(found: Mapping[str, Sequence[Record]]) -> None:
    """Draw the records of each topic in their order; each id has a colour, grey has none.

    Args:
        found: records by what their topic is called, the first topic on top.
    """
    _figure, axes = plt.subplots(figsize=(9, 0.5 * len(found) + 0.9), layout="constrained")
    ids = dict.fromkeys(
        r.headers[HEADER] for rs in found.values() for r in rs if HEADER in r.headers
    )
    colours = dict(zip(ids, COLOURS, strict=False))
    for row, records in enumerate(found.values()):
        shades = [colours.get(r.headers.get(HEADER, ""), UNKNOWN) for r in records]
        axes.scatter(range(len(records)), [row] * len(records), c=shades, s=220, marker="s")
    for name, colour in {**colours, "no id": UNKNOWN}.items():
        axes.scatter([], [], c=colour, marker="s", label=name)
    axes.set_yticks(range(len(found)), list(found))
    axes.set(ylim=(len(found) - 0.5, -0.5), xlabel="offset")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    plt.show()
