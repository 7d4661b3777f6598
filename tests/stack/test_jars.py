import errno
import hashlib
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamgym.errors import StreamgymError
from streamgym.stack import jars, paths

SMALL = "org.slf4j:slf4j-api:1.7.36"


@pytest.fixture(scope="module")
def repository():
    """What was downloaded before, on loopback; yields its address and the paths asked for."""
    jars.jars("kafka")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = partial(Handler, directory=paths.cache() / "jars")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture
def one_jar(tmp_path, monkeypatch, repository):
    """A cache of its own, and a lock that names one small jar, which is there."""
    jar = next(j for j in jars.locked()["kafka"] if j.coordinate == SMALL)
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# made for a test\n[kafka]\n{jar.coordinate} {jar.sha256}\n")
    monkeypatch.setenv("STREAMGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "LOCK", lock)
    monkeypatch.setattr(jars, "REPOSITORY", repository[0])
    jars.jars("kafka")
    repository[1].clear()
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
    begin = time.monotonic()
    with pytest.raises(StreamgymError, match=r"could not be fetched: connect to the network") as e:
        jars.jars("kafka")
    assert "\n" not in str(e.value)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("left", [b"", b"another file", None])
def test_an_interrupted_download_and_a_wrong_file_are_mended(one_jar, left):
    if left is None:
        one_jar.path.unlink()
    else:
        one_jar.path.write_bytes(left)
    assert jars.jars("kafka") == [one_jar.path]
    assert hashlib.sha256(one_jar.path.read_bytes()).hexdigest() == one_jar.sha256


def test_another_file_than_pinned_is_refused_and_removed(one_jar):
    jars.LOCK.write_text(f"[kafka]\n{SMALL} {'0' * 64}\n")
    with pytest.raises(StreamgymError, match="not the file that is pinned"):
        jars.jars("kafka")
    assert not one_jar.path.exists()


def test_a_full_disk_is_one_line(one_jar, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    one_jar.path.write_bytes(b"half")
    monkeypatch.setattr("jgo.maven.Artifact.resolve", no_space)
    with pytest.raises(StreamgymError, match=r"the disk of .* is full: free 100 MB"):
        jars.jars("kafka")


def test_a_repository_without_the_file_is_one_line(one_jar):
    jars.LOCK.write_text(f"[kafka]\norg.example:nothing:1.0 {'0' * 64}\n")
    with pytest.raises(StreamgymError, match=r"org.example:nothing:1.0 could not be fetched") as e:
        jars.jars("kafka")
    assert "\n" not in str(e.value)


def test_processes_at_once_fetch_it_once(one_jar, repository, python):
    address, asked = repository
    one_jar.path.unlink()
    code = f"""
from pathlib import Path
from streamgym.stack import jars
jars.LOCK, jars.REPOSITORY = Path({str(jars.LOCK)!r}), {address!r}
print(jars.jars("kafka")[0])
"""
    all_four = [python(code) for _ in range(4)]
    assert {p.communicate(timeout=60)[0].strip() for p in all_four} == {str(one_jar.path)}
    assert len([path for path in asked if path.endswith(".jar")]) == 1
