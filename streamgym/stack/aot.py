"""The JVM's ahead-of-time caches: what a server loaded once is at hand the next time (JEP 514)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from streamgym.stack import jars, paths
from streamgym.stack.java import java, version

OLDEST = 25
"""The oldest Java that writes such a cache in one run; an older one starts without."""


def is_offered() -> bool:
    """Return whether this Java can write a cache."""
    return version(java()) >= OLDEST


def cache_for(name: str, options: Sequence[str]) -> Path:
    """Return where the cache of a server lies; another Java, jar or option has another."""
    told = "\n".join([str(java()), str(java().stat().st_mtime_ns), *options, jars.fingerprint()])
    return paths.cache() / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.aot"


def using(cache: Path) -> list[str]:
    """Return the option to start with a cache; a cache that is missing only costs time."""
    return [f"-XX:AOTCache={cache}"] if cache.exists() else []


def writing(cache: Path) -> list[str]:
    """Return the option to write a cache when the JVM ends in order."""
    return [f"-XX:AOTCacheOutput={cache}"]


def keep(made: Path, target: Path) -> None:
    """Put what was made in its place, unless somebody else was faster."""
    try:
        made.rename(target)
    except OSError:
        if not target.exists():
            raise
