"""The outputs of one cell, as a notebook keeps them, up to a size."""

import json
from collections.abc import Mapping
from typing import Any

import nbformat
from nbformat.v4 import new_output, output_from_msg

KEPT = ("stream", "error", "display_data", "execute_result")
LIMIT = 1_000_000
"""Characters of output that are kept of one cell."""


class Outputs:
    """Collects the outputs that a kernel's messages bring; beyond the limit they are dropped."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.kept: list[Any] = []
        self.error = ""
        """The exception that ended the cell, as ``NameError: name 'x' is not defined``."""
        self._left = limit

    def take(self, message: Mapping[str, Any]) -> None:
        """Keep what a message brings: an output, or the error in which the cell ended."""
        if message["msg_type"] == "execute_reply" and message["content"].get("status") == "error":
            content = message["content"]
            self.error = f"{content.get('ename')}: {content.get('evalue')}"[:300]
        if message["msg_type"] not in KEPT or self._left < 0:
            return
        self._left -= len(json.dumps(message["content"]))
        if self._left < 0:
            self.kept.append(note("further output of this cell was dropped"))
            return
        try:
            output = output_from_msg(message)
            nbformat.validate(output, ref=message["msg_type"], version=4)
        except (KeyError, RecursionError, nbformat.ValidationError):
            return
        self._append(output)

    def _append(self, output: Any) -> None:
        last = self.kept[-1] if self.kept else None
        if last and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            self.kept.append(output)


def note(text: str) -> Any:
    """Return an output that holds a line of the grader's."""
    return new_output("stream", name="stderr", text=f"[{text}]\n")
