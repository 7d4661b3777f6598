"""Removing a folder whatever a program has left in it."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def remove(folder: Path) -> None:
    """Remove a folder that nobody writes to any more; one that is not there is no error.

    Other than ``shutil.rmtree`` it copes with folders that lie too deep to be named, by moving
    them up, and with those that their owner may not read. Links are removed, not followed.
    """
    found = [folder]
    for here in found:  # and those that are found in it
        with suppress(OSError):
            here.chmod(0o700)
            for entry in list(os.scandir(here)):
                if entry.is_dir(follow_symlinks=False):
                    found.append(_moved(Path(entry), folder))
                else:
                    Path(entry).unlink()
        if here != folder:
            _remove_empty(here)
    _remove_empty(folder)


def _moved(path: Path, to: Path) -> Path:
    """Move a folder to another one, under a name of its own, and return where it is."""
    with suppress(OSError):
        path.chmod(0o700)  # who moves a folder writes to it
        return path.rename(to / uuid.uuid4().hex)
    return path


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
