"""The jars of Kafka and of Spark's Kafka connector: pinned, downloaded once, always verified."""

import errno
import hashlib
import re
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import track

from streamgym.errors import StreamgymError
from streamgym.stack import paths

LOCK = Path(__file__).with_name("jars.lock")
REPOSITORY = MAVEN_CENTRAL_URL


@dataclass(frozen=True)
class Jar:
    """One pinned jar: its Maven coordinate ``group:artifact:version`` and its SHA-256."""

    coordinate: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where it lies in the cache, in the layout of a Maven repository."""
        group, artifact, version = self.coordinate.split(":")
        folder = paths.cache() / "jars" / group.replace(".", "/") / artifact / version
        return folder / f"{artifact}-{version}.jar"

    def is_sound(self) -> bool:
        """Return whether it is there with the right content."""
        return self.path.is_file() and _sha256(self.path) == self.sha256


def jars(section: str) -> list[Path]:
    """Return the jars of a section of the lock (``kafka`` or ``spark``), downloading what lacks.

    Every jar is verified at every call; one with a wrong hash is fetched anew.

    Raises:
        StreamgymError: no network, no space, or the repository gives another file than pinned.
    """
    wanted = locked()[section]
    with ThreadPoolExecutor(8) as pool:
        if _lacking(wanted, pool):
            with FileLock(paths.cache() / "jars.lock"):  # somebody else may be fetching them
                _fetch_all(section, _lacking(wanted, pool), pool)
    return [jar.path for jar in wanted]


def locked() -> dict[str, list[Jar]]:
    """Return the pinned jars by section."""
    found: dict[str, list[Jar]] = {}
    for line in LOCK.read_text().splitlines():
        if title := re.fullmatch(r"\[(\w+)\]", line):
            section = found.setdefault(title[1], [])
        elif line and not line.startswith("#"):
            section.append(Jar(*line.split()))
    return found


def fingerprint() -> str:
    """Return a short hash of the lock."""
    return _sha256(LOCK)[:12]


def _lacking(wanted: list[Jar], pool: Executor) -> list[Jar]:
    sound = pool.map(Jar.is_sound, wanted)
    return [jar for jar, is_sound in zip(wanted, sound, strict=True) if not is_sound]


def _fetch_all(section: str, lacking: list[Jar], pool: Executor) -> None:
    fetched = pool.map(_fetch, lacking)
    console = Console(stderr=True)
    for _ in track(fetched, f"fetching {section}", len(lacking), console=console):
        pass


def _fetch(jar: Jar) -> None:
    jar.path.unlink(missing_ok=True)
    group, artifact, version = jar.coordinate.split(":")
    context = MavenContext(repo_cache=paths.cache() / "jars", remote_repos={"central": REPOSITORY})
    try:
        context.project(group, artifact).at_version(version).artifact().resolve()
    except requests.RequestException:
        raise StreamgymError(
            f"{jar.coordinate} could not be fetched: connect to the network and run this again"
        ) from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise StreamgymError(
            f"the disk of {paths.cache()} is full: free 100 MB, or set STREAMGYM_CACHE elsewhere"
        ) from None
    except RuntimeError as error:
        raise StreamgymError(f"{jar.coordinate} could not be fetched: {error}") from None
    if not jar.is_sound():
        jar.path.unlink(missing_ok=True)
        raise StreamgymError(
            f"{jar.coordinate} is not the file that is pinned (SHA-256 differs), and was deleted: "
            "run this again, and if it persists, do not use this network"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
