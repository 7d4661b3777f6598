"""Preparing fast starts, once."""

import pytest

from streamgym.stack import kafka, paths

pytestmark = pytest.mark.stack

PREPARING = """
from streamgym.stack import prepare
train = prepare._train
prepare._train = lambda kind, *rest: kind is prepare.Kafka and train(kind, *rest)
prepare.prepare()
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch, kafka):
    """A cache that holds the jars alone; returns the folder for temporary files."""
    downloaded = paths.cache() / "jars"
    monkeypatch.setenv("STREAMGYM_CACHE", str(tmp_path / "cache"))
    (paths.cache() / "jars").symlink_to(downloaded)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def test_two_at_once_prepare_once_and_leave_nothing_else(temporary, python):
    made = kafka.aot_cache()
    made.with_suffix(".4711").write_text("of a training that was killed")
    both = [python(PREPARING) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    lasting = {"jars", "prepare.lock", made.name, kafka.formatted().name}
    assert {path.name for path in paths.cache().iterdir()} - {"jars.lock"} == lasting
    assert [path for path in temporary.iterdir() if path.name.startswith("streamgym")] == []
