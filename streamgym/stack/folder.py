"""A temporary folder that goes with its owner, however that ends."""

import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from streamgym.stack.kept import Kept
from streamgym.stack.removal import remove

WAIT_FOR_EVER = "import signal; signal.pause()"


class GuardedFolder:
    """A temporary folder under a keeper: ``with GuardedFolder() as folder: folder.path``."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="streamgym-"))
        self._kept = Kept.start(
            [sys.executable, "-S", "-c", WAIT_FOR_EVER], env={}, cleanup=[self.path], grace=0
        )

    def close(self) -> None:
        """Remove the folder."""
        self._kept.stop()
        remove(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
