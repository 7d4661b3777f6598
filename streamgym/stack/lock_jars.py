"""Resolving the jars anew, after a change of version: ``python -m streamgym.stack.lock_jars``."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import jgo
import pyspark
from jgo.maven import Artifact

from streamgym.stack import jars, kafka, spark

SHIPPED = Path(pyspark.__file__).parent / "jars"


def lines() -> Iterator[str]:
    """Yield the lines of a new lock."""
    yield "# Made by python -m streamgym.stack.lock_jars. group:artifact:version sha256"
    shipped = {re.sub(r"-\d[\w.]*(-[\w.]+)?\.jar$", "", jar.name) for jar in SHIPPED.glob("*.jar")}
    for section, endpoints in {"kafka": kafka.COORDINATES, "spark": spark.COORDINATES}.items():
        yield f"[{section}]"
        for artifact in _resolved(endpoints):
            if section == "kafka" or artifact.artifactId not in shipped:
                yield f"{_coordinate(artifact)} {_sha256(artifact)}"


def _resolved(endpoints: Iterable[str]) -> Iterable[Artifact]:
    """Return the jars of all endpoints; of one with two versions, the first."""
    found: dict[str, Artifact] = {}
    for endpoint in endpoints:
        for artifact in jgo.resolve(endpoint):
            found.setdefault(f"{artifact.groupId}:{artifact.artifactId}", artifact)
    return found.values()


def _coordinate(artifact: Artifact) -> str:
    return f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"


def _sha256(artifact: Artifact) -> str:
    return hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()


if __name__ == "__main__":
    text = "\n".join(lines())
    jars.LOCK.write_text(text + "\n")
