from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from streamgym.checks.values import decode, encode

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "due"),
    [
        ({"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
        ((NOON, timedelta(minutes=5)), [NOON, timedelta(minutes=5)]),
        (pd.Timestamp(NOON), NOON),
        (date(2013, 1, 1), date(2013, 1, 1)),
        (Decimal("12.30"), Decimal("12.30")),
        (pd.Timedelta(minutes=5), timedelta(minutes=5)),
        (np.int64(3), 3),
        (np.array([1.5, 2.5]), [1.5, 2.5]),
        ({3, 1, 2}, [1, 2, 3]),
        ({1: "one"}, {"1": "one"}),
        (float("nan"), "nan"),
    ],
)
def test_plain_data_crosses(value, due):
    back = decode(encode(value))
    assert back == due
    assert type(back) is type(due)


def test_a_data_frame_crosses_with_its_dtypes():
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime([NOON, None], utc=True),
            "share": [0.5, None],
            "number": [1, 2],
            "amount": [Decimal("1.10"), None],
            "name": ["tea", None],
        }
    )
    back = decode(encode(frame))
    pd.testing.assert_frame_equal(back, frame)


def test_a_malformed_frame_stays_data():
    assert decode('{"$frame": [{"name": "a"}]}') == {"$frame": [{"name": "a"}]}
    uneven = '{"name": "%s", "dtype": "int64", "values": %s}'
    text = '{"$frame": [' + uneven % ("a", "[1]") + "," + uneven % ("b", "[1, 2]") + "]}"
    assert decode(text)["b"].tolist() == [1, 2]


class AlwaysEqual:
    def __eq__(self, other):
        return True

    __hash__ = None


class Sly(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize("value", [AlwaysEqual(), Sly(3), object(), lambda: 1, b"bytes", 1j])
def test_objects_do_not_cross(value):
    with pytest.raises(TypeError, match="is not plain data"):
        encode([value])


def test_size_and_depth_are_bounded():
    with pytest.raises(ValueError, match="longer than 10 characters"):
        encode("x" * 20, limit=10)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        encode(deep)
