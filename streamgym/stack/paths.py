"""Where the stack keeps what it downloads, and where it keeps its state."""

import os
from pathlib import Path

from platformdirs import user_cache_dir, user_state_dir


def cache() -> Path:
    """Return the folder of downloads and prepared files: ``STREAMGYM_CACHE``, or the user's."""
    return _made(os.environ.get("STREAMGYM_CACHE") or user_cache_dir("streamgym"))


def state() -> Path:
    """Return the folder of the shared stack's state: ``STREAMGYM_STATE``, or the user's."""
    return _made(os.environ.get("STREAMGYM_STATE") or user_state_dir("streamgym"))


def _made(folder: str) -> Path:
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path
