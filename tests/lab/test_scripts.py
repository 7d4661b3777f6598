import psutil
import pytest

from streamgym.checks.answers import Ungradable
from streamgym.lab.scripts import run_script


def test_a_script_gets_its_environment_and_its_errors_are_kept():
    run = run_script("import os, sys; sys.exit(os.environ['WHY'])", {"WHY": "for a reason"}, 20)
    assert (run.returncode, run.errors) == (1, "for a reason")


def test_a_script_that_does_not_end_is_ungradable_and_killed_with_all_it_started():
    code = "import subprocess; subprocess.run(['sleep', '987'])"
    with pytest.raises(Ungradable, match="did not end within 1 s"):
        run_script(code, {}, 1)
    assert not [p for p in psutil.Process().children(recursive=True) if "987" in p.cmdline()]
