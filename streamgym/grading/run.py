"""Running a notebook's cells in a sandboxed kernel, which then answers for them.

A cell that does not end, or takes the kernel down, costs no other cell: it is noted, and after a
loss the kernel is started anew and the other cells are run again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from streamgym.checks.answers import Ungradable
from streamgym.checks.limits import Limits
from streamgym.grading import inside, usage
from streamgym.grading.kernel import Interrupted, Kernel, KernelLost, Message, value_in
from streamgym.grading.outputs import Outputs, note
from streamgym.grading.submission import names


class Watch(Protocol):
    """Is told how the run goes, as papermill's NotebookExecutionManager is."""

    def cell_start(self, cell: Any, cell_index: int) -> None:
        """Before a cell is run."""

    def cell_exception(self, cell: Any, cell_index: int) -> None:
        """When a cell raised, or did not end."""

    def cell_complete(self, cell: Any, cell_index: int) -> None:
        """After a cell was run."""


class NotebookRun:
    """One notebook's cells, the kernel they are run in, and the cells that made trouble."""

    def __init__(
        self, cells: Sequence[Any], start: Callable[[], Kernel], watch: Watch, limits: Limits
    ) -> None:
        self._cells = {n: cell for n, cell in enumerate(cells) if cell.cell_type == "code"}
        self._start = start
        self._watch = watch
        self._limits = limits
        self._kernel: Kernel | None = None
        self._losses = 0
        self.troubles: dict[int, str] = {}
        self._errors: dict[int, str] = {}

    def run(self) -> None:
        """Run all cells, and after the loss of a kernel those that did not cause it.

        Then the kernel stands still, except while it is asked: nothing in it may meddle with what
        is judged.

        Raises:
            KernelLost: a kernel could not be started at all.
        """
        while self._kernel is None and self._losses <= self._limits.restarts + 1:
            self._run_in_new_kernel()
            if self._kernel:
                self._kernel.freeze()

    def ask(self, request: str) -> str:
        """Return the kernel's reply to a request (see :mod:`streamgym.lab.serve`).

        Raises:
            Ungradable: it did not reply in time, or was lost.
        """
        self.run()
        if self._kernel is None:
            raise Ungradable("its notebook took the kernel down too often")
        code = inside.expression(request)
        try:
            with self._kernel.awake():
                return _reply(self._kernel.execute("", self._limits.answer, value=code))
        except Interrupted as error:
            raise Ungradable(f"your answer {error}") from None
        except KernelLost as error:
            self._lose(max(self._cells, default=0))
            raise Ungradable(f"your answer {error}") from None

    def trouble(self, exercise: str) -> str:
        """Return why the cell that defines an exercise's answer has no result; mostly nothing."""
        return self.troubles.get(self._defining(exercise), "")

    def error(self, exercise: str) -> str:
        """Return the error that the cell which defines an exercise's answer raised, if any."""
        return self._errors.get(self._defining(exercise), "")

    def trouble_before(self, exercise: str) -> str:
        """Return the trouble of a cell above the one that defines an exercise's answer, if any."""
        defining = self._defining(exercise)
        return next((what for n, what in sorted(self.troubles.items()) if n < defining), "")

    def _defining(self, exercise: str) -> int:
        return max((n for n, c in self._cells.items() if exercise in names(c.source)), default=-1)

    def close(self) -> None:
        """End the kernel."""
        if self._kernel:
            self._kernel.stop()
            self._kernel = None

    def _run_in_new_kernel(self) -> None:
        try:
            kernel = self._kernel = self._start()
        except KernelLost:
            if not self._losses:
                raise
            self._losses = self._limits.restarts + 2  # what it has left behind lets none start
            return
        deadline = time.monotonic() + self._limits.notebook
        self._errors.clear()
        for number in chain(self._cells, self._out_of_order()):
            if number in self.troubles:
                continue
            seconds = min(self._limits.cell, deadline - time.monotonic())
            try:
                self._run_cell(number, self._cells[number], kernel, seconds)
            except KernelLost as error:
                self._trouble_at(number, str(error))
                self._lose(number)
                return

    def _out_of_order(self) -> Iterator[int]:
        """Yield the cells that lacked a name when they were run: others may define it by now."""
        yield from [n for n, error in self._errors.items() if error.startswith("NameError")]

    def _run_cell(self, number: int, cell: Any, kernel: Kernel, seconds: float) -> None:
        if seconds <= 0:
            self._trouble_at(
                number, f"was not run within the notebook's {self._limits.notebook:.0f} s"
            )
            return
        outputs = Outputs()
        cell.outputs = outputs.kept
        self._watch.cell_start(cell, number)
        try:
            for message in kernel.execute(cell.source, seconds, output=self._limits.output):
                outputs.take(message)
            self._note_error(number, outputs)
        except Interrupted as error:
            self._trouble_at(number, str(error))
        self._watch.cell_complete(cell, number)

    def _note_error(self, number: int, outputs: Outputs) -> None:
        self._errors.pop(number, None)
        if refused := usage.refused(outputs.error):
            self._trouble_at(number, refused)
        elif outputs.error:
            self._errors[number] = outputs.error

    def _trouble_at(self, number: int, what: str) -> None:
        cell = self._cells[number]
        self.troubles[number] = f"the cell {what}"
        cell.outputs = [*cell.get("outputs", []), note(self.troubles[number])]
        self._watch.cell_exception(cell, number)

    def _lose(self, number: int) -> None:
        """Count the loss of a kernel at a cell; after too many, give the later cells up."""
        self._kernel = None
        self._losses += 1
        if self._losses > self._limits.restarts:
            for later in self._cells:
                if later > number and later not in self.troubles:
                    self._trouble_at(later, "comes after cells that took the kernel down too often")


def _reply(messages: Iterable[Message]) -> str:
    """Return the reply among all messages; text that means nothing when there is none."""
    values = [value for message in messages if (value := value_in(message)) is not None]
    reply = values[0].get(inside.MIME) if values else None
    return reply if isinstance(reply, str) else "null"
