"""A Jupyter kernel provisioner that starts the kernel in a sandbox, guarded by a keeper."""

import asyncio
import signal
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Dict, Instance

from streamgym.grading.box import Box

NAME = "streamgym-sandbox"
"""The provisioner's entry point."""


class SandboxProvisioner(LocalProvisioner):
    """Starts, interrupts and ends a kernel that runs in a box."""

    box = Instance(Box, args=(), help="Where the kernel runs")
    variables = Dict(help="Environment variables that the kernel gets in addition")

    @property
    def has_process(self) -> bool:
        """Whether the kernel was started and not stopped."""
        return self.box.running

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel, and return how to connect to it."""
        self.box.start(cmd, self.variables)
        return self.connection_info

    async def poll(self) -> int | None:
        """Return the kernel's exit code, or None while it runs."""
        return self.box.wait(0) if self.box.running else 0

    async def wait(self) -> int | None:
        """Wait for the kernel's end, and return its exit code."""
        while (code := await self.poll()) is None:
            await asyncio.sleep(0.1)
        return code

    async def send_signal(self, signum: int) -> None:
        """Send the kernel an interrupt; any other signal ends all that runs in the box."""
        if signum == signal.SIGINT:
            self.box.interrupt(signum)
        else:
            self.box.stop()
