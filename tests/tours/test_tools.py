from zipfile import ZipFile

import pytest

from streamgym.checks import topics
from streamgym.errors import StreamgymError
from streamgym.stack import jars
from streamgym.tours import tools


def test_another_tool_is_refused_with_the_names_of_those_that_there_are():
    with pytest.raises(StreamgymError, match="no tool 'rm' here: use one of kafka-configs, "):
        tools.run("localhost:1", "rm -r /")


def test_what_a_tool_said_is_shown_as_text():
    said = tools.Said(("$ one\n<b>", "$ two"))
    assert repr(said) == "$ one\n<b>\n\n$ two"
    assert "&lt;b&gt;" in said._repr_html_()


@pytest.mark.stack
def test_tools_run_on_the_broker_and_answer_in_the_order_of_the_commands(kafka):
    topic = topics.create(kafka, partitions=2)
    topics.produce(kafka, topic, [{"order": 1}], key="")
    offsets, failed = tools.run(
        kafka, f"kafka-get-offsets --topic {topic}", "kafka-get-offsets --topic none-such"
    ).answers
    command, *said = offsets.splitlines()
    assert command == f"$ kafka-get-offsets --bootstrap-server {kafka} --topic {topic}"
    assert said == [f"{topic}:0:1", f"{topic}:1:0"]
    assert "Could not match any topic-partitions" in failed


@pytest.mark.stack
def test_every_tool_is_in_the_jars(kafka):
    there = {name for jar in jars.jars("kafka") for name in ZipFile(jar).namelist()}
    assert {f"{main.replace('.', '/')}.class" for main in tools.CLASSES.values()} <= there
