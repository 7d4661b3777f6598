"""Files that are there whole or not at all."""

from pathlib import Path

from streamgym.errors import StreamgymError

REMEDY = "make room or mend that, and go on with `--resume`"
"""What to do when results cannot be written."""


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8 so that no reader sees a part of it, and return its path.

    Raises:
        StreamgymError: it cannot be written, such as on a full disk; what was there stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", errors="replace", newline="")
        return partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StreamgymError(f"{path} cannot be written ({error.strerror}): {REMEDY}") from None
