"""A zombie: a worker that is frozen in the middle of its work, replaced, and then wakes up.

A long pause of garbage collection, or a machine that hangs, does that to a worker. Its group takes
it for dead and gives its work to another. When it wakes, it does not know (KIP-98, "Zombie
fencing"; KIP-447).
"""

from collections.abc import Callable
from dataclasses import dataclass

from streamgym.errors import Ungradable
from streamgym.faults.actions import Hold, Rule
from streamgym.faults.process import OpenWorkspace, Run, finish
from streamgym.faults.proxy import Proxy
from streamgym.faults.sweep import SECONDS, Broken, Stage
from streamgym.faults.trace import Trace


@dataclass(frozen=True)
class Haunting:
    """What came of it: how both workers ended, what is broken, and the trace of both.

    ``frozen`` tells whether the first came to the request at which it is frozen.
    """

    frozen: bool
    zombie: Run
    successor: Run
    broken: Broken
    trace: Trace


def haunt(
    open_workspace: Callable[[], OpenWorkspace],
    stage: Stage,
    kind: str,
    number: int,
    seconds: float = SECONDS,
) -> Haunting:
    """Freeze a worker at a request, let a second one do all the work, and wake the first.

    Args:
        open_workspace: opens a fresh folder of the worker.
        stage: what both work on.
        kind: the kind of request at which the first is frozen, such as ``EndTxn``.
        number: the how manieth of its kind.
        seconds: how long each may take to its end.

    Raises:
        Ungradable: the second, or the first after it woke up, did not come to its end in time.
        NotAttempted: a worker raised NotImplementedError.
    """
    hold = Hold()
    rule = Rule(kind, hold, number, lane="zombie")
    with open_workspace() as one, open_workspace() as other, Proxy([rule]) as proxy:
        env = dict(stage.env)
        zombie = one.start(proxy.environment(env, "zombie"))
        if not _comes_to(hold, lambda: zombie.wait(0) is not None, seconds):
            alone = finish(zombie, 0)
            return Haunting(False, alone, alone, stage.judge(), proxy.trace)
        zombie.freeze()
        proxy.trace.mark("zombie", "frozen")
        stage.release(proxy.trace.groups)
        successor = finish(other.start(proxy.environment(env, "successor")), seconds)
        proxy.trace.mark("zombie", "woken")
        hold.release()
        zombie.wake()
        woken = finish(zombie, seconds)
        return Haunting(True, woken, successor, stage.judge(), proxy.trace)


def _comes_to(hold: Hold, ended: Callable[[], bool], seconds: float) -> bool:
    """Wait until a worker is held; False when it ended before it came so far."""
    for _ in range(int(seconds / 0.1)):
        if hold.reached.wait(0.1):
            return True
        if ended():
            return False
    raise Ungradable(f"the worker neither came to the request nor to its end in {seconds:.0f} s")
