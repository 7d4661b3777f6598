"""The payment service charges once for each idempotency key, and says what is wrong."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from streamgym.checks.payments import Payments


@pytest.fixture
def payments():
    with Payments() as service:
        yield service


def post(payments, body, key=None):
    headers = {"Idempotency-Key": key} if key else {}
    request = urllib.request.Request(payments.url, body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, json.load(answer)


def charge(payments, order, key=None):
    return post(payments, json.dumps({"order": order, "amount": 100}).encode(), key)


def test_each_request_charges_and_a_key_only_once(payments):
    first = charge(payments, 1, "a")
    assert first == (201, {"charge": 1, "order": 1})
    assert charge(payments, 1, "a") == first
    charge(payments, 1)
    charge(payments, 1)
    assert [c["order"] for c in payments.charges] == [1, 1, 1]


def test_a_key_charges_once_for_many_at_once(payments):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: charge(payments, 5, "same"), range(40)))
    assert len(payments.charges) == 1
    assert answers == [answers[0]] * 40


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b"[" * 5000])
def test_a_request_that_is_no_charge_is_refused(payments, body):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(payments, body)
    assert payments.charges == []


def test_one_that_does_not_listen_has_an_address_and_ends():
    with Payments(listens=False) as service:
        assert service.url.startswith("http://127.0.0.1:")
