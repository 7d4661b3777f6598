import psutil
import pytest

from streamgym.checks.answers import Ungradable
from streamgym.faults.process import finish
from streamgym.lab.scripts import TAIL, workspace


def run_script(script, env, seconds):
    with workspace(script) as here:
        return finish(here.start(env), seconds)


def test_a_script_gets_its_environment_and_its_errors_are_kept():
    run = run_script("import os, sys; sys.exit(os.environ['WHY'])", {"WHY": "for a reason"}, 20)
    assert (run.returncode, run.errors) == (1, "for a reason")


def test_a_script_that_does_not_end_is_ungradable_and_killed_with_all_it_started():
    code = "import subprocess; subprocess.run(['sleep', '987'])"
    with pytest.raises(Ungradable, match="did not end within 1 s"):
        run_script(code, {}, 1)
    assert not [p for p in psutil.process_iter(["cmdline"]) if "987" in (p.info["cmdline"] or [])]


def test_what_a_script_leaves_running_is_killed_when_it_ends():
    code = "import subprocess; print(subprocess.Popen(['sleep', '986']).pid)"
    run = run_script(code, {}, 20)
    assert run.returncode == 0
    gone, left = psutil.wait_procs(_processes(int(run.errors)), timeout=5)
    assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE], gone


def _processes(pid):
    return [psutil.Process(pid)] if psutil.pid_exists(pid) else []


def test_only_the_end_of_long_errors_is_kept():
    run = run_script("print('x' * 5000); raise SystemExit('the end')", {}, 20)
    assert 0.9 * TAIL < len(run.errors) <= TAIL
    assert run.errors.endswith("the end")
