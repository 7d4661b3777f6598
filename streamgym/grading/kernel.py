"""One IPython kernel in a box, and a client that reads from it with bounds on size and time."""

import signal
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager
from traitlets import Instance

from streamgym.checks.limits import amount
from streamgym.grading import provisioner
from streamgym.grading.box import KILLED, Box

START_SECONDS = 60.0
INTERRUPT_SECONDS = 5.0
"""How long an interrupted cell may take to end."""

MAX_MESSAGE = 64_000_000
"""Bytes of the largest message that is accepted; a kernel that sends more is cut off."""

QUEUED = 8
"""Messages that wait unread on this side."""

POLL_MS = 200
"""How often to look whether a silent kernel still lives."""

Message = dict[str, Any]


class Interrupted(Exception):
    """The code was interrupted, as the message says why; the kernel lives on."""


class KernelLost(Exception):
    """The kernel is gone; the message says how."""


class Kernel:
    """A kernel that has been started in a box of its own, which goes with it.

    Raises:
        KernelLost: it did not start.
    """

    def __init__(self, box: Box, variables: Mapping[str, str]) -> None:
        self._box = box
        self._context = zmq.Context()
        self._context.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self._context.setsockopt(zmq.RCVHWM, QUEUED)
        manager = _manager(box, variables, self._context)
        manager.start_kernel()
        self._client: BlockingKernelClient = manager.client(context=self._context)
        self._client.start_channels(stdin=False, hb=False)
        self._channels = [self._client.shell_channel, self._client.iopub_channel]
        self._left = 0  # bytes that may still be sent
        self._poller = zmq.Poller()
        for channel in self._channels:
            self._poller.register(channel.socket, zmq.POLLIN)
        try:
            self._client.wait_for_ready(timeout=START_SECONDS)
        except RuntimeError as error:
            self.stop()
            raise KernelLost(f"the kernel did not start: {error}") from None

    def execute(
        self, code: str, seconds: float, *, value: str = "", output: int = MAX_MESSAGE
    ) -> Iterator[Message]:
        """Run code, or evaluate a value silently, and yield what the kernel says until the end.

        Raises:
            Interrupted: it did not end within ``seconds``, or sent more than ``output`` bytes.
            KernelLost: the same, and it could not be interrupted; or the kernel died.
        """
        request = self._client.execute(
            code,
            silent=bool(value),
            user_expressions={"value": value} if value else None,
            allow_stdin=False,
            stop_on_error=False,
        )
        self._left = output
        if (yield from self._until_idle(request, seconds)):
            return
        too_long = f"did not end within {seconds:.0f} s"
        why = too_long if self._left > 0 else f"printed more than {amount(output)}"
        self._box.interrupt(signal.SIGINT)
        self._left = sys.maxsize
        if (yield from self._until_idle(request, INTERRUPT_SECONDS)):
            raise Interrupted(why)
        self.stop()
        raise KernelLost(f"{why}, and could not be interrupted")

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let all of a frozen kernel's box run for a while."""
        self._box.wake()
        try:
            yield
        finally:
            self._box.freeze()

    def freeze(self) -> None:
        """Stop all that runs in the kernel's box, until it is :meth:`awake`."""
        self._box.freeze()

    def stop(self) -> None:
        """End the kernel and all that it started."""
        self._client.stop_channels()
        self._context.destroy(linger=0)
        self._box.stop()

    def _until_idle(self, request: str, seconds: float) -> Generator[Message, None, bool]:
        """Yield the messages about a request; return whether it ended before time and output."""
        deadline = time.monotonic() + seconds
        replied = idle = False
        while time.monotonic() < deadline and self._left > 0:
            message = self._next_message()
            self._check_alive()
            if message is None:
                if replied:
                    return True
            elif message["parent_header"].get("msg_id") == request:
                replied = replied or message["msg_type"] == "execute_reply"
                idle = idle or message["content"].get("execution_state") == "idle"
                yield message
                if replied and idle:
                    return True
        return False

    def _next_message(self) -> Message | None:
        """Return the next message, or None when none came for a while or it is malformed."""
        ready = dict(self._poller.poll(POLL_MS))
        channel = next((c for c in self._channels if c.socket in ready), None)
        if channel is None:
            return None
        frames = channel.socket.recv_multipart()
        self._left -= sum(map(len, frames))
        try:
            _, signed = self._client.session.feed_identities(frames)
            message: Message = self._client.session.deserialize(signed)
            return message if _well_formed(message) else None
        except Exception:  # the submission's code can send anything, signed or not
            return None

    def _check_alive(self) -> None:
        code = self._box.wait(0)
        if code is not None:
            self.stop()
            why = self._box.why_killed
            raise KernelLost(why if code in KILLED else f"ended the kernel (exit code {code})")


def value_in(message: Message) -> dict[str, Any] | None:
    """Return the value that a message brings, by media type, if it brings one."""
    values = message["content"].get("user_expressions")
    value = values.get("value") if isinstance(values, dict) else None
    data = value.get("data") if isinstance(value, dict) else None
    return data if isinstance(data, dict) else None


class _OneSpec(KernelSpecManager):
    """Knows one kernel: this environment's Python, whatever a notebook asks for."""

    spec = Instance(KernelSpec)

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return self.spec


def _manager(box: Box, variables: Mapping[str, str], context: zmq.Context[Any]) -> KernelManager:
    """Return a manager whose kernel listens on unix sockets in the box's home."""
    config = {"box": box, "variables": dict(variables)}
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3",
        language="python",
        metadata={"kernel_provisioner": {"provisioner_name": provisioner.NAME, "config": config}},
    )
    return KernelManager(
        kernel_name="streamgym",
        kernel_spec_manager=_OneSpec(spec=spec),
        client_factory=BlockingKernelClient,
        context=context,
        transport="ipc",
        ip=str(box.home / "k"),  # short: the path of a unix socket has 107 characters
        connection_file=str(box.home / "kernel.json"),
    )


def _well_formed(message: Message) -> bool:
    return isinstance(message["content"], dict) and isinstance(message["parent_header"], dict)
