"""What a submission may use is said by its lab."""

from pathlib import Path

import pytest

from streamgym.checks import Limits
from streamgym.checks.labs import load_limits
from streamgym.checks.limits import amount


@pytest.fixture
def lab(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("STREAMGYM_COURSE", str(tmp_path))

    def write(text: str) -> str:
        path = tmp_path / "labs" / "01_own" / "checks.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"from streamgym.checks import Limits\n{text}")
        return "01_own"

    return write


def test_a_lab_that_says_nothing_has_the_default(lab) -> None:
    assert load_limits(lab("")) == Limits()


def test_a_lab_has_its_own_limits(lab) -> None:
    assert load_limits(lab("LIMITS = Limits(notebook=600, processes=8)")) == Limits(
        notebook=600, processes=8
    )


def test_bytes_in_words() -> None:
    assert [amount(n) for n in (3 * 10**9, 1_500_000_000, 200_000_000)] == [
        "3 GB",
        "1.5 GB",
        "200 MB",
    ]
