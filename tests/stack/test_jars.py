import errno
import hashlib

import pytest

from streamgym.errors import StreamgymError
from streamgym.stack import jars

SMALL = "org.slf4j:slf4j-api:1.7.36"


@pytest.fixture
def one_jar(tmp_path, monkeypatch):
    """A cache of its own, and a lock that names one small jar."""
    jar = next(j for j in jars.locked()["kafka"] if j.coordinate == SMALL)
    content = jar.path.read_bytes() if jar.path.exists() else None
    monkeypatch.setenv("STREAMGYM_CACHE", str(tmp_path / "cache"))
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# made for a test\n[kafka]\n{jar.coordinate} {jar.sha256}\n")
    monkeypatch.setattr(jars, "LOCK", lock)
    if content:
        jar.path.parent.mkdir(parents=True)
        jar.path.write_bytes(content)
    else:
        jars.jars("kafka")
    return jar


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(jars, "REPOSITORY", "http://127.0.0.1:9")


def test_every_pin_has_a_hash():
    for section in jars.locked().values():
        for jar in section:
            assert len(jar.coordinate.split(":")) == 3
            assert len(bytes.fromhex(jar.sha256)) == 32


def test_the_second_run_works_offline(one_jar, offline):
    assert jars.jars("kafka") == [one_jar.path]


def test_no_network_is_one_line(one_jar, offline):
    one_jar.path.unlink()
    with pytest.raises(StreamgymError, match=r"could not be fetched: connect to the network") as e:
        jars.jars("kafka")
    assert "\n" not in str(e.value)


@pytest.mark.stack
@pytest.mark.parametrize("left", [b"", b"PK half a jar"])
def test_an_interrupted_download_is_mended(one_jar, left):
    one_jar.path.write_bytes(left)
    assert jars.jars("kafka") == [one_jar.path]
    assert hashlib.sha256(one_jar.path.read_bytes()).hexdigest() == one_jar.sha256


@pytest.mark.stack
def test_another_file_than_pinned_is_refused_and_removed(one_jar):
    jars.LOCK.write_text(f"[kafka]\n{SMALL} {'0' * 64}\n")
    with pytest.raises(StreamgymError, match="not the file that is pinned"):
        jars.jars("kafka")
    assert not one_jar.path.exists()


def test_a_full_disk_is_one_line(one_jar, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    one_jar.path.unlink()
    monkeypatch.setattr("jgo.maven.Artifact.resolve", no_space)
    with pytest.raises(StreamgymError, match=r"the disk of .* is full: free 100 MB"):
        jars.jars("kafka")
