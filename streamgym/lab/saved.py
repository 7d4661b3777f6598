"""What a person has done so far, kept on disk in one JSON file; several programs may use it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock
from platformdirs import user_data_dir

from streamgym.errors import StreamgymError

Item = TypeVar("Item")


class Saved(Generic[Item]):
    """Items by key, in a file of the user's data folder, or of ``STREAMGYM_STATE``.

    Args:
        name: the file's.
        folder: where it lies instead.
        load: makes an item of plain data.
        dump: makes plain data of an item.
        remedy: what to do when the file cannot be read.
    """

    def __init__(
        self,
        name: str,
        folder: Path | None,
        load: Callable[[Any], Item],
        dump: Callable[[Item], Any],
        remedy: str,
    ) -> None:
        base = folder or Path(os.environ.get("STREAMGYM_STATE") or user_data_dir("streamgym"))
        self.path = base / name
        self._load, self._dump, self._remedy = load, dump, remedy

    def read(self) -> dict[str, Item]:
        """Return all items.

        Raises:
            StreamgymError: the file holds something else; it is left as it is.
        """
        if not self.path.exists():
            return {}
        try:
            saved = json.loads(self.path.read_text())
            return {key: self._load(value) for key, value in saved.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StreamgymError(f"{self.path} cannot be read: {self._remedy}") from None

    @contextmanager
    def changed(self) -> Iterator[dict[str, Item]]:
        """Give all items to be changed, while nobody else changes them, and keep them."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            items = self.read()
            yield items
            text = json.dumps({key: self._dump(item) for key, item in items.items()}, indent=1)
            partial = self.path.with_suffix(".partial")
            partial.write_text(text)
            partial.replace(self.path)
