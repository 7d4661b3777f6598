"""All attacks, by the lines of the list of attacks that a grader of notebooks must survive."""

from dataclasses import dataclass
from pathlib import Path

from .attack import Attack


@dataclass(frozen=True)
class Around:
    """What lies around a submission, as an attacker may know it."""

    submissions: Path
    course: Path
    out: Path
    listener: int
    grader: int


def attacks(around: Around) -> list[Attack]:
    """Return all attacks on the small lab."""
    from . import (
        flow,
        forging,
        hiding,
        network,
        objects,
        patching,
        reading,
        resources,
        streaming,
        structure,
    )

    found = [*flow.ATTACKS, *hiding.ATTACKS, *structure.ATTACKS, *objects.ATTACKS]
    found += [*patching.ATTACKS, *resources.ATTACKS, *streaming.ATTACKS]
    return [*found, *forging.attacks(around), *reading.attacks(around), *network.attacks(around)]
