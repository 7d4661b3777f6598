"""Labs are discovered: a lab is a folder ``NN_topic`` below ``labs/`` that has a ``checks.py``."""

import importlib.util
import os
import re
from functools import cache
from pathlib import Path
from types import ModuleType

from streamgym.checks.exercise import Exercise
from streamgym.checks.limits import Limits
from streamgym.errors import StreamgymError

NAME = re.compile(r"\d\d_[a-z0-9_]+")


def course_root() -> Path:
    """Return the folder that holds ``labs/``: ``STREAMGYM_COURSE``, above here, or the clone."""
    if named := os.environ.get("STREAMGYM_COURSE"):
        return Path(named)
    here = Path.cwd()
    candidates = [here, *here.parents, Path(__file__).parents[2]]
    for folder in candidates:
        if (folder / "labs").is_dir():
            return folder
    raise StreamgymError(
        "no labs/ folder found here or above: change into the course's folder, "
        "or set STREAMGYM_COURSE to it"
    )


def lab_names() -> list[str]:
    """Return the names of all labs, in order."""
    found = (course_root() / "labs").glob("*/checks.py")
    return sorted(path.parent.name for path in found if NAME.fullmatch(path.parent.name))


def lab_called(name: str) -> str:
    """Return the full name of a lab that is called by its number or its name.

    Raises:
        StreamgymError: there is no such lab.
    """
    for lab_name in lab_names():
        if name in (lab_name, lab_name[:2]):
            return lab_name
    raise StreamgymError(f"there is no lab {name!r}: choose one of {', '.join(lab_names())}")


@cache
def load_exercises(lab: str) -> dict[str, Exercise]:
    """Return a lab's exercises by name, in the order of its ``checks.py``.

    Raises:
        StreamgymError: there is no such lab.
    """
    return {e.name: e for e in vars(_checks(lab)).values() if isinstance(e, Exercise)}


def load_limits(lab: str) -> Limits:
    """Return what a submission to a lab may use: ``LIMITS`` of its ``checks.py``, or the default.

    Raises:
        StreamgymError: there is no such lab.
    """
    limits = vars(_checks(lab)).get("LIMITS", Limits())
    assert isinstance(limits, Limits)
    return limits


def source_of_checks(lab: str) -> str:
    """Return the text of a lab's ``checks.py``.

    Raises:
        StreamgymError: there is no such lab.
    """
    return _path_of_checks(lab).read_text(encoding="utf-8")


def _path_of_checks(lab: str) -> Path:
    path = course_root() / "labs" / lab / "checks.py"
    if not NAME.fullmatch(lab) or not path.is_file():
        raise StreamgymError(f"there is no lab {lab!r}: choose one of {', '.join(lab_names())}")
    return path


def _checks(lab: str) -> ModuleType:
    path = _path_of_checks(lab)
    spec = importlib.util.spec_from_file_location(f"streamgym_checks_{lab}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
