"""The papermill engine: ``papermill labs/03_windowing/lab.ipynb out.ipynb --engine streamgym``.

The notebook is run in the sandbox, graded, and gets its marks: in its metadata, under
``streamgym``, and as a last cell. With ``STREAMGYM_SEED`` the marks are those that ``streamgym
grade --seed`` gives.
"""

import html
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nbformat.v4 import new_markdown_cell
from papermill.engines import Engine, NotebookExecutionManager

from streamgym.checks.labs import load_limits
from streamgym.checks.results import Result
from streamgym.errors import StreamgymError
from streamgym.grading.found import student_of
from streamgym.grading.grade import Grading, needed
from streamgym.grading.policy import require_sandbox
from streamgym.grading.submission import Unreadable, code_of, lab_of
from streamgym.grading.world import GradingWorld

NAME = "streamgym"
"""The engine's entry point."""


class StreamgymEngine(Engine):  # type: ignore[misc]
    """Runs a notebook in the sandbox and grades it."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        grading: Grading | None = None,
        input_path: object = None,
        **_: Any,
    ) -> None:
        """Run and grade the notebook, in a world of its own unless ``grading`` brings one."""
        notebook = nb_man.nb
        with ExitStack() as stack:
            grading = grading or stack.enter_context(_alone(notebook, Path(str(input_path))))
            results = grading.judge(notebook.cells, nb_man)
        notebook.metadata["streamgym"] = {
            "lab": grading.lab,
            "student": grading.student,
            "sandboxed": grading.world.sandboxed,
            "results": [result.as_dict() for result in results],
        }
        notebook.cells.append(_summary(results))

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return this environment's kernel, whatever the notebook names."""
        return "python3"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return Python."""
        return "python"


@contextmanager
def _alone(notebook: Any, path: Path) -> Iterator[Grading]:
    """Give the grading of a notebook that papermill was called with by itself."""
    require_sandbox()
    try:
        lab = lab_of(notebook)
    except Unreadable as error:
        raise StreamgymError(f"{path} cannot be graded: {error}") from None
    secret = os.environ.get("STREAMGYM_SEED") or secrets.token_hex(16)
    with GradingWorld(needed(lab, code_of(notebook)), limits=load_limits(lab)) as world:
        yield Grading(lab, student_of(path), secret, world)


def _summary(results: list[Result]) -> Any:
    earned, most = sum(r.points for r in results), sum(r.max_points for r in results)
    lines = [f"## Graded: {earned:g} of {most:g} points", ""]
    lines += ["| exercise | verdict | points | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_plain(r.title)} | {r.verdict} | {r.points:g} of {r.max_points:g} "
        f"| {_plain(r.reason or r.hint)} |"
        for r in results
    ]
    cell = new_markdown_cell("\n".join(lines))
    cell.metadata["papermill"] = {"status": NotebookExecutionManager.COMPLETED}
    return cell


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, in one line."""
    return html.escape(" ".join(text.split())).replace("|", "&#124;").replace("`", "&#96;")
