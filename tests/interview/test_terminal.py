"""The conversations, on a real pseudo-terminal."""

import os
import sys
from pathlib import Path

import pexpect
import pytest

from streamgym.interview import mock
from streamgym.interview.deck import Deck


@pytest.fixture
def talk(tmp_path):
    """Start ``streamgym interview`` on a terminal of its own."""
    program = str(Path(sys.executable).with_name("streamgym"))
    env = {**os.environ, "STREAMGYM_STATE": str(tmp_path), "COLUMNS": "120", "TERM": "dumb"}
    begun = []

    def start(*arguments):
        command = ["interview", *arguments]
        begun.append(pexpect.spawn(program, command, env=env, timeout=20, encoding="utf-8"))
        return begun[-1]

    yield start
    for each in begun:
        each.close(force=True)


def test_flash_cards_ask_show_the_answer_and_remember_the_rating(talk, tmp_path):
    cards = talk("--number", "1")
    cards.expect("What separates stream processing")
    cards.sendline("")
    cards.expect("What gives you away")
    cards.expect("rating")
    cards.sendline("nonsense")
    cards.expect("rating")
    cards.sendline("easy")
    cards.expect("1 of 28 questions seen; 27 are due now")
    cards.expect(pexpect.EOF)
    assert 1 not in Deck(tmp_path).due()


def test_a_scenario_tells_a_named_mistake_and_goes_on(talk):
    design = talk("scenario", "iot", "--seed", "1")
    design.expect("How many readings a second")
    design.sendline("not a number")
    design.expect("enter a number")
    for _ in range(6):
        design.sendline("1")
        design.expect("too small")
    design.expect("0 of 6 numbers are right")


def test_a_mock_interview_ends_with_a_report_and_feeds_the_cards(talk, tmp_path):
    held = talk("mock", "--seed", "3")
    for _ in range(mock.QUESTIONS):
        held.expect("press Enter")
        held.sendline("")
        for line in mock.RUBRIC:
            held.expect(line)
            held.expect("0/1/2")
            held.sendline("0" if line == "limits" else "2")
    held.expect("minutes left")
    while held.expect(["Talk about", r"\?.*\]: "]):
        held.sendline("1")
    held.expect("Work on: limits")
    assert Deck(tmp_path).known() == mock.QUESTIONS


def test_ctrl_c_ends_it_and_what_was_rated_stays(talk, tmp_path):
    cards = talk()
    cards.expect("press Enter")
    cards.sendline("")
    cards.expect("rating")
    cards.sendline("good")
    cards.expect("2 of 10")
    cards.sendintr()
    cards.expect(pexpect.EOF)
    cards.close()
    assert cards.exitstatus == 130
    assert Deck(tmp_path).known() == 1
