from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from streamgym.grading.outputs import Outputs


def message(kind: str, **content: Any) -> dict[str, Any]:
    return {"msg_type": kind, "header": {"msg_type": kind}, "content": content}


def printed(text: str) -> dict[str, Any]:
    return message("stream", name="stdout", text=text)


def test_prints_that_follow_each_other_are_one_output() -> None:
    outputs = Outputs()
    outputs.take(printed("a"))
    outputs.take(printed("b"))
    assert [o.text for o in outputs.kept] == ["ab"]


def test_output_beyond_the_limit_is_dropped_and_said_so() -> None:
    outputs = Outputs(limit=1000)
    for _ in range(10_000):
        outputs.take(printed("x" * 90))
    assert sum(len(o.text) for o in outputs.kept) < 1100
    assert "dropped" in outputs.kept[-1].text


def test_the_error_that_ended_a_cell_is_known() -> None:
    outputs = Outputs()
    outputs.take(message("execute_reply", status="error", ename="MemoryError", evalue="too much"))
    assert outputs.error == "MemoryError: too much"


@pytest.mark.parametrize(
    "malformed",
    [
        message("stream", name=5, text="x"),
        message("stream", name="stdout"),
        message("display_data", data=5, metadata={}),
        message("display_data", data={"text/plain": 5}, metadata={}),
        message("error", ename=1, evalue="", traceback="x"),
        message("execute_result", data={}, metadata={}, execution_count="x"),
        message("comm_open", data={}),
    ],
)
def test_what_is_no_output_is_left_out(malformed: dict[str, Any]) -> None:
    outputs = Outputs()
    outputs.take(malformed)
    nbformat.validate(new_notebook(cells=[new_code_cell("", outputs=outputs.kept)]))
    assert not outputs.error
