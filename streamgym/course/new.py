"""Starting a new lab from a template that builds and verifies as it stands."""

from pathlib import Path

from streamgym.checks.labs import NAME, course_root
from streamgym.course.build import build
from streamgym.errors import StreamgymError

TEMPLATE = Path(__file__).with_name("template")
PLACES = {"checks.py": "labs", "lab.py": "solutions", "answers.py": "solutions"}


def new_lab(name: str) -> list[Path]:
    """Make the files of a new lab, build its notebooks, and return the sources to edit.

    Raises:
        StreamgymError: the name is not of the form NN_topic, or the lab is there already.
    """
    if not NAME.fullmatch(name):
        raise StreamgymError(
            f"{name!r} is no lab's name: use two digits, _ and a topic, as 30_joins"
        )
    made = [course_root() / place / name / file for file, place in PLACES.items()]
    if there := [path for path in made if path.exists()]:
        raise StreamgymError(f"{there[0]} is there already: choose another name")
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((TEMPLATE / path.name).read_text().replace("NN_topic", name))
    list(build([name]))
    return made
