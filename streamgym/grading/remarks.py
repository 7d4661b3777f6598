"""What a person says about an answer, and the points they give it."""

from streamgym.errors import StreamgymError
from streamgym.grading.gradebook import Remark, Row


def changed(
    row: Row,
    exercise: str,
    text: str | None,
    points: float | None,
    without_points: bool,
    by: str,
) -> Remark:
    """Return the remark on an exercise as it stands from now on.

    Args:
        row: the submission.
        exercise: the exercise's name; empty for the whole submission.
        text: what is said; None leaves what was said, and an empty text removes it.
        points: those that count instead of the grader's; None leaves those given before.
        without_points: lets the grader's points count again.
        by: who says so.

    Raises:
        StreamgymError: nothing is changed, or the points are not possible.
    """
    if text is None and points is None and not without_points:
        raise StreamgymError("nothing to keep: give --text, --points or --no-points")
    before = row.remarks.get(exercise, Remark())
    if points is not None:
        _check(row, exercise, points, without_points)
    kept = None if without_points else before.points
    said = before.text if text is None else text.encode(errors="replace").decode()
    return Remark(kept if points is None else points, said, by)


def _check(row: Row, exercise: str, points: float, without_points: bool) -> None:
    most = next((r.max_points for r in row.results if r.exercise == exercise), None)
    if without_points:
        raise StreamgymError("--points and --no-points: choose one of them")
    if most is None:
        raise StreamgymError("points are given for an exercise: name one")
    if not 0 <= points <= most:
        raise StreamgymError(f"{exercise} has 0 to {most:g} points, not {points:g}")
