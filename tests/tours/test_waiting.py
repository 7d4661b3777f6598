import pytest

from streamgym.errors import StreamgymError
from streamgym.tours.waiting import wait_until


def test_it_asks_until_it_holds():
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), "the third time")


def test_it_gives_up_and_says_what_it_waited_for():
    with pytest.raises(StreamgymError, match="rain"):
        wait_until(lambda: False, "rain", seconds=0.1)
