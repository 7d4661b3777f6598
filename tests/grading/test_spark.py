import base64
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql.connect.dataframe import DataFrame

from streamgym.checks import plans
from streamgym.checks.limits import MB, Limits
from streamgym.grading.spark import Refused
from streamgym.grading.world import GradingWorld

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("course")]

ASK = """
import base64, os
from pyspark.sql.connect.functions import udf
from pyspark.sql.types import StringType
from streamgym.checks import plans
from streamgym.stack.session import spark_session

@udf(returnType=StringType())
def spy(_):
    import socket
    def tried(what, *args):
        try:
            return "done: " + str(what(*args))
        except OSError as error:
            return type(error).__name__
    beside = tried(socket.create_connection, ("127.0.0.1", {port}), 2)
    return beside + " " + tried(open, {secret!r})

spark = spark_session(os.environ["SPARK_REMOTE"])
message = plans.to_message(spark.range(1).select(spy("id").alias("seen")))
print(base64.b64encode(message).decode())
"""


OBSERVE = """
import base64, os
from pyspark.sql.connect import functions as F
from streamgym.checks import plans
from streamgym.stack.session import spark_session

metric = F.max(F.lit(bytearray({pickled!r}))).alias("x")
frame = spark_session(os.environ["SPARK_REMOTE"]).range(1).observe("__python_accumulator__", metric)
print(base64.b64encode(plans.to_message(frame)).decode())
"""


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def world(course: Path) -> Iterator[GradingWorld]:
    with GradingWorld({"spark"}) as world:
        yield world


def receive(world: GradingWorld, code: str) -> DataFrame:
    """Run code that prints a query in a kernel, and return the query on the grader's side."""
    kernel = world.kernel()
    messages = list(kernel.execute(code, 60))
    kernel.stop()
    printed = "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")
    return plans.to_frame(base64.b64decode(printed.strip().splitlines()[-1]), world.spark())


@pytest.fixture
def received(world: GradingWorld):
    """Give :func:`receive` in the world that tests share."""
    return partial(receive, world)


def test_python_functions_of_a_query_are_in_the_sandbox(received, tmp_path, listener) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    frame = received(ASK.format(port=listener, secret=str(secret)))
    assert frame.collect()[0]["seen"] == "ConnectionRefusedError PermissionError"


def test_a_query_cannot_make_the_grader_unpickle(received, tmp_path: Path) -> None:
    bait = tmp_path / "unpickled"
    frame = received(OBSERVE.format(pickled=pickle.dumps(Touch(bait))))
    with pytest.raises(Refused, match="pickled"):
        frame.collect()
    assert not bait.exists()


SPEND = """
import base64, os
from pyspark.sql.connect.functions import udf
from pyspark.sql.types import StringType
from streamgym.checks import plans
from streamgym.stack.session import spark_session

@udf(returnType=StringType())
def spend(_):
    with open(os.path.join(os.environ["TMPDIR"], "full"), "wb") as file:
        while True:
            {what}

spark = spark_session(os.environ["SPARK_REMOTE"])
print(base64.b64encode(plans.to_message(spark.range(1).select(spend("id").alias("x")))).decode())
"""


@pytest.mark.parametrize(
    ("limits", "what", "excess"),
    [
        (Limits(cpu=30), "pass", "its queries used more than 30 s of processor time"),
        (
            Limits(disk=50 * MB),
            "file.write(bytes(10**6))",
            "its queries used more than 50 MB of disk",
        ),
    ],
)
def test_a_query_that_uses_more_than_it_may_ends_its_spark(course, limits, what, excess) -> None:
    with GradingWorld({"spark"}, limits=limits) as world:
        frame = receive(world, SPEND.format(what=what))
        with pytest.raises(PySparkException):
            frame.collect()
        assert world.lost() == excess
