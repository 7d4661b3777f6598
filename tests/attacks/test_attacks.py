"""Every attack is graded among honest submissions, and none gets anything by it."""

import os
from pathlib import Path

import psutil
import pytest

from streamgym.checks.results import Verdict

from .attack import ALL, Attack
from .catalogue import Around, attacks
from .conftest import CANARIES, Graded, named, state
from .resources import MARK

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1200)]  # the first waits for all

NOWHERE = Around(Path("in"), Path("course"), Path("out"), 0, 0)
SUBMISSIONS = named(attacks(NOWHERE))
HOSTILE = [name for name, attack in SUBMISSIONS.items() if attack]
HONEST = [name for name, attack in SUBMISSIONS.items() if not attack]


@pytest.fixture(scope="module")
def hostile(graded: Graded) -> dict[str, Attack]:
    """The attacks as they were graded, by file name."""
    around = Around(graded.folder, graded.course, graded.out, graded.listener, os.getpid())
    return {name: attack for name, attack in named(attacks(around)).items() if attack}


def test_there_are_enough_attacks() -> None:
    assert len(HOSTILE) >= 60


def test_every_submission_has_one_row(graded: Graded) -> None:
    assert sorted(graded.rows) == sorted(SUBMISSIONS)


@pytest.mark.parametrize("name", HONEST)
def test_honest_submissions_keep_their_marks(graded: Graded, name: str) -> None:
    row = graded.rows[name]
    assert (row.score, row.reason) == (ALL, "")
    assert [r.reason for r in row.results if r.verdict is Verdict.UNGRADABLE] == []


@pytest.mark.parametrize("name", HOSTILE)
def test_no_attack_earns_more_than_its_honest_part(graded: Graded, hostile, name: str) -> None:
    attack, score = hostile[name], graded.rows[name].score
    assert score == attack.earns or (attack.harms_itself and score < attack.earns)


@pytest.mark.parametrize("name", HOSTILE)
def test_every_attack_was_tried_and_says_what_it_met(graded: Graded, hostile, name: str) -> None:
    attack, row = hostile[name], graded.rows[name]
    if attack.ungradable:
        assert attack.ungradable in row.reason
    else:
        assert row.reason == ""
        assert attack.says in graded.page(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_attack_gets_to_know_a_secret(graded: Graded, name: str) -> None:
    told = graded.page(name) + repr(graded.rows[name])
    assert [canary for canary in CANARIES.values() if canary in told] == []


def test_no_page_runs_what_a_submission_wrote(graded: Graded) -> None:
    assert not [name for name in SUBMISSIONS if "<script" in graded.page(name)]


def test_no_process_is_left(graded: Graded) -> None:
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if MARK in line]


def test_no_folder_is_left(graded: Graded) -> None:
    assert list(graded.scratch.iterdir()) == []


def test_nothing_beyond_a_submission_was_changed(graded: Graded) -> None:
    assert state(graded.folder) == graded.before
