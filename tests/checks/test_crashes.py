"""What is expected of a worker that is killed, and what is said when it breaks."""

import pytest

from streamgym.checks import Case
from streamgym.checks.crashes import survives
from streamgym.checks.expect import summarise
from streamgym.checks.payments import Payments
from streamgym.checks.served import Served
from streamgym.lab.scripts import workspace

pytestmark = pytest.mark.stack

POST = """
import json, os, urllib.request
def post(order, key):
    body = json.dumps({"order": order, "amount": 1}).encode()
    headers = {"Idempotency-Key": key} if key else {}
    urllib.request.urlopen(urllib.request.Request(os.environ["URL"], body, headers)).read()
"""
WITH_KEY = POST + "for order in range(4): post(order, str(order))"
WITHOUT = POST + "for order in range(4): post(order, '')"
FORGETS = POST + "for order in range(3): post(order, str(order))"
FAILS = WITH_KEY + "\nraise ValueError('at the end')"


def judged(script):
    """Return the expectations about a worker that charges orders 0 to 3, by name."""
    opened, said = [], []

    def prepare():
        payments = Payments()
        opened.append(payments)

        def judge():
            charged = [charge["order"] for charge in payments.charges]
            return {
                "every order is charged": sorted({0, 1, 2, 3} - set(charged)),
                "no order is charged twice": sorted({c for c in charged if charged.count(c) > 1}),
            }

        return {"URL": payments.url}, judge

    worker = Served(lambda _: "null", {"w": script}, workspace).worker("w")
    hints = {"every order is charged": 1, "no order is charged twice": lambda trial: 2}
    with Case(1, None, progress=said.append) as case:
        found = {e.name: e for e in summarise(survives(worker, case, prepare, hints))}
    for payments in opened:
        payments.close()
    return found, said


def test_a_worker_that_survives_passes_everything():
    found, said = judged(WITH_KEY)
    assert all(e.passed for e in found.values())
    assert list(found) == [
        "the worker ends in order",
        "without a crash: every order is charged",
        "without a crash: no order is charged twice",
        "after any crash: every order is charged",
        "after any crash: no order is charged twice",
    ]
    crashes = found["after any crash: every order is charged"].seen
    assert crashes >= 3
    assert f"killed at {crashes} of {crashes} points of its run" in said


def test_what_breaks_after_a_crash_names_the_crash_and_the_records():
    found, _ = judged(WITHOUT)
    assert found["without a crash: no order is charged twice"].passed
    broken = found["after any crash: no order is charged twice"]
    assert (broken.passed, broken.hint) == (False, 2)
    assert any(
        "killed after the 1st POST had arrived" in e.given and "0" in e.actual
        for e in broken.evidence
    )
    assert found["after any crash: every order is charged"].passed


def test_who_is_wrong_without_a_crash_is_told_to_mend_that_first():
    found, _ = judged(FORGETS)
    broken = found["without a crash: every order is charged"]
    assert (broken.passed, broken.evidence[0].actual) == (False, "[3]")
    after = found["after any crash: no order is charged twice"]
    assert not after.passed
    assert "mend what is wrong without a crash first" in after.evidence[0].actual


def test_a_worker_that_fails_shows_its_error():
    found, _ = judged(FAILS)
    assert "ValueError: at the end" in found["the worker ends in order"].evidence[0].given
