import socket
import sys

import pytest

from streamgym.stack import doctor
from streamgym.stack.ports import LOOPBACK

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def prepared(kafka):
    """With a broker that ran, all is there."""


def bad():
    found = [finding for finding in doctor.findings() if not finding.ok]
    assert all(f.remedy and "\n" not in f.remedy for f in found)
    return [finding.name for finding in found]


def test_all_is_well():
    assert bad() == []


def test_a_python_without_wheels(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert bad() == ["Python"]


def test_no_java(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMGYM_JAVA_HOME", str(tmp_path))
    assert bad() == ["Java"]


def test_missing_jars(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMGYM_CACHE", str(tmp_path))
    assert bad() == ["jars"]


def test_a_port_in_use_and_one_that_is_none(monkeypatch):
    with socket.create_server((LOOPBACK, 0)) as taken:
        monkeypatch.setenv("STREAMGYM_KAFKA_PORT", str(taken.getsockname()[1]))
        monkeypatch.setenv("STREAMGYM_SPARK_PORT", "ninety")
        assert bad() == ["kafka port", "spark port"]
