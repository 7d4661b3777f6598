"""Kafka's own command-line tools, called as on a terminal, with the broker filled in."""

import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape

from streamgym.errors import StreamgymError
from streamgym.stack import kafka

CLASSES = {
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
}
"""What the scripts of these names run (``bin`` in Kafka's distribution)."""

SECONDS = 40.0
"""How long a tool may take."""

STYLE = "overflow-x: auto; white-space: pre; font-size: 85%; font-family: monospace"


@dataclass(frozen=True, repr=False)
class Said:
    """Commands as they were typed, each with what it said."""

    answers: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n\n".join(self.answers)

    def _repr_html_(self) -> str:
        return f'<pre style="{STYLE}">{escape(repr(self))}</pre>'


def run(servers: str, *commands: str) -> Said:
    """Run tools, all at once, and return what they said, in this order.

    Args:
        servers: the broker's bootstrap servers, which each command is given.
        commands: such as ``kafka-topics --list``.

    Raises:
        StreamgymError: there is no such tool here, or it took too long.
    """
    with ThreadPoolExecutor() as pool:
        return Said(tuple(pool.map(lambda command: _run(servers, command), commands)))


def _run(servers: str, command: str) -> str:
    name, *args = shlex.split(command)
    if name not in CLASSES:
        raise StreamgymError(f"there is no tool {name!r} here: use one of {', '.join(CLASSES)}")
    args = ["--bootstrap-server", servers, *args]
    try:
        done = subprocess.run(
            kafka.tool(CLASSES[name], *args), capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise StreamgymError(f"{name} took longer than {SECONDS:.0f} s: is a broker up?") from None
    return f"$ {shlex.join([name, *args])}\n{done.stdout.strip()}\n{done.stderr.strip()}".rstrip()
