"""A worker that is forked is what Python would have started."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from streamgym.stack.keeper import FEW_THREADS
from streamgym.stack.kept import Identity, Kept

from .processes import assert_gone, children_of, kill

COMMAND = [sys.executable, "worker.py"]

PROGRAMS = {
    "exit_code": "import sys; sys.exit(7)",
    "exit_message": "raise SystemExit('no more orders')",
    "exit_at_once": "import os; print('not seen'); os._exit(3)",
    "message_after_output": "print('first'); raise SystemExit('then')",
    "error_after_output": "print('first'); 1 / 0",
    "error_without_output": "import sys; sys.stdout = None; 1 / 0",
    "error": "def sell():\n    raise ValueError('sold out')\nsell()",
    "error_in_an_error": "try:\n    {}['order']\nexcept KeyError:\n    1 / 0",
    "syntax_error": "orders = (",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "terminated": "import os; os.kill(os.getpid(), 15)",
    "interrupted": "import os; os.kill(os.getpid(), 2)",
    "at_exit": "import atexit; atexit.register(print, 'closed'); print('done')",
    "thread": "import threading; threading.Timer(0.2, print, ['later']).start(); print('first')",
    "names": "import sys; print(__name__, __doc__, __file__, sys.argv, sys.path)",
    "main": "import __main__, pickle\nclass Order: pass\nprint(pickle.dumps(Order()), __main__)",
    "input": "print(input())",
    "files": "import os; print(os.listdir('/proc/self/fd'))",
    "signals": "import signal; print([signal.getsignal(n) for n in range(1, 32)])",
    "zone": "import time; print(time.tzname)",
    "variables": "import os; print(sorted(os.environ.items()))",
    "child": "import subprocess; print(subprocess.run(['sh', '-c', 'exit 4']).returncode)",
    "processes": (
        "import multiprocessing as mp\n"
        "def cube(n):\n    return n**3\n"
        "if __name__ == '__main__':\n"
        "    with mp.get_context('spawn').Pool(1) as pool:\n        print(pool.map(cube, [2, 3]))"
    ),
}


def env():
    """Python sets the last by itself."""
    return {**os.environ, "TZ": "America/New_York", "LC_CTYPE": "C.UTF-8"}


def start(folder, program):
    (folder / "worker.py").write_text(program)
    return Kept.start(COMMAND, env=env(), cwd=folder, log=folder / "log", forked=True)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_does_what_it_does_when_python_starts_it(tmp_path, program):
    kept = start(tmp_path, program)
    code = kept.wait(20)
    due = subprocess.run(
        COMMAND,
        env={**env(), **FEW_THREADS},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (code, (tmp_path / "log").read_text()) == (due.returncode, due.stdout)
    kept.stop()


def test_two_programs_draw_different_numbers(tmp_path):
    for _ in range(2):
        kept = start(tmp_path, "import random; print(random.random())")
        kept.wait(20)
        kept.stop()
    assert len(set((tmp_path / "log").read_text().split())) == 2


def test_it_can_be_ended_while_somebody_waits_for_it(tmp_path):
    kept = start(tmp_path, "import time; time.sleep(980)")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(kept.wait, 20)
        assert kept.alive()
        kept.interrupt(signal.SIGKILL)
        assert waiting.result() == -signal.SIGKILL
    kept.stop()


def test_a_time_out_is_told_as_of_a_popen(tmp_path):
    kept = start(tmp_path, "import time; time.sleep(981)")
    with pytest.raises(subprocess.TimeoutExpired):
        kept.wait(0.1)
    assert kept.alive()
    kept.interrupt(signal.SIGKILL)
    assert kept.wait(20) == -signal.SIGKILL
    kept.stop()


OWNER = """
from pathlib import Path
import psutil
from streamgym.stack import forked
from tests.stack.test_forked import start
folder = forked.server().folder
kept = start(folder, "import subprocess; subprocess.run(['sleep', '982'])")
"""


@pytest.mark.parametrize("end", [kill, lambda owner: owner.communicate("", timeout=20)])
def test_an_owner_leaves_nothing(python, end):
    owner = python(f"{OWNER}print(kept.keeper.pid, folder, flush=True); input()")
    pid, folder = owner.stdout.readline().split()
    keeper = Identity.of(int(pid))
    members = children_of(keeper.pid, 2)
    server = Identity.of(psutil.Process(keeper.pid).ppid())
    assert Path(folder, "worker.py").exists()
    end(owner)
    assert_gone(keeper, server, *members)
    assert not Path(folder).exists()


def test_programs_can_be_started_after_the_server_was_killed(python):
    again = """
server = psutil.Process(kept.keeper.pid).parent()
server.kill()
server.wait(20)
assert kept.alive()
kept.stop()
print(start(folder, "").wait(20), forked.server().folder == folder)
"""
    assert python(OWNER + again).communicate() == ("0 True\n", "")
