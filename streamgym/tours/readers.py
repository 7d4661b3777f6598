"""What readers make of events that others have changed (tour of chapter 7)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap

RIGHT, REFUSED, WRONG = "right", "refused", "wrong, unnoticed"
OUTCOMES = {RIGHT: "#2e9e5b", REFUSED: "#e08a00", WRONG: "#d1433f"}
"""What can come of an event, with its colour."""


def outcome(read: Callable[[Any], object], event: Any, due: object) -> str:
    """Return what a reader makes of an event; one that refuses it raises a ValueError."""
    try:
        return RIGHT if read(event) == due else WRONG
    except ValueError:
        return REFUSED


def outcomes(
    readers: Mapping[str, Callable[[Any], object]],
    changes: Iterable[str],
    events: Iterable[Any],
    due: object,
) -> pd.DataFrame:
    """Return what each reader (a column) makes of each change's event (a row)."""
    rows = [{name: outcome(read, e, due) for name, read in readers.items()} for e in events]
    return pd.DataFrame(rows, index=list(changes))


def draw(found: pd.DataFrame) -> None:
    """Draw what :func:`outcomes` returned, a coloured field for each."""
    names = list(OUTCOMES)
    fields = np.array([[names.index(what) for what in row] for row in found.to_numpy()])
    _figure, axes = plt.subplots(figsize=(9, 0.55 * len(found) + 0.8), layout="constrained")
    colours = ListedColormap(list(OUTCOMES.values()))
    axes.imshow(fields, cmap=colours, vmin=0, vmax=len(names) - 1, aspect="auto", alpha=0.85)
    for (row, column), number in np.ndenumerate(fields):
        axes.text(column, row, names[number], ha="center", va="center", color="white")
    axes.set_xticks(range(len(found.columns)), list(found.columns))
    axes.set_yticks(range(len(found)), list(found.index))
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.set_xticks(np.arange(0.5, len(found.columns) - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(found) - 1), minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="minor", length=0)
    plt.show()
