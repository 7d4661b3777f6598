"""Files that are there whole or not at all."""

from pathlib import Path


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8 so that no reader sees a part of it, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", errors="replace", newline="")
    return partial.replace(path)
