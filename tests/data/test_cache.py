"""Derived data is made once, and made again where it cannot be kept."""

import pandas as pd
import pytest

from streamgym.data.cache import cached_frame

FRAME = pd.DataFrame({"a": [1, 2], "time": pd.to_datetime(["2013-01-01", None], utc=True)})


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    def make_frame():
        made.append(1)
        return FRAME

    return make_frame


def test_a_frame_is_made_once_and_comes_back_the_same(tmp_path, monkeypatch, make, made):
    monkeypatch.setenv("STREAMGYM_CACHE", str(tmp_path / "new"))
    for _ in range(3):
        pd.testing.assert_frame_equal(cached_frame("x.parquet", make), FRAME)
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.parquet"]


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path, monkeypatch, make, made):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("STREAMGYM_CACHE", str(blocked / "below"))
    for _ in range(2):
        pd.testing.assert_frame_equal(cached_frame("x.parquet", make), FRAME)
    assert len(made) == 2
