import os
import signal
import textwrap

import pytest

from streamgym.errors import StreamgymError
from streamgym.stack.kept import Identity, Kept

from .processes import assert_gone, children_of, end, kill

ENV = {"PATH": os.environ["PATH"]}
FAMILY = "(setsid sleep 1000 &) ; sleep 1000"


@pytest.fixture
def family():
    kept = Kept.start(["/bin/sh", "-c", FAMILY], env=ENV)
    yield kept
    kept.stop()


def test_stop_ends_the_child_and_what_it_started(family):
    members = children_of(family.keeper.pid, 3)
    family.stop()
    assert_gone(*members)


def test_a_killed_keeper_takes_the_child_along(family):
    child, *orphans = children_of(family.keeper.pid, 3)
    os.kill(family.keeper.pid, signal.SIGKILL)
    assert_gone(child)
    end(*orphans)


def test_a_killed_owner_leaves_nothing(tmp_path, python):
    folder = tmp_path / "temporary"
    folder.mkdir()
    owner = python(owning(folder))
    keeper = Identity.of(int(owner.stdout.readline()))
    members = children_of(keeper.pid, 3)
    kill(owner)
    assert_gone(keeper, *members)
    assert not folder.exists()


def test_a_detached_child_outlives_its_owner(tmp_path, python):
    owner = python(owning(tmp_path / "none") + "; kept.detach()")
    keeper = Identity.of(int(owner.communicate()[0]))
    child = children_of(keeper.pid, 1)[0]
    assert child.process().is_running()
    keeper.process().terminate()
    assert_gone(keeper, child)


def owning(folder):
    return textwrap.dedent(f"""
        from pathlib import Path
        from streamgym.stack.kept import Kept
        command = ["/bin/sh", "-c", {FAMILY!r}]
        kept = Kept.start(command, env={ENV!r}, cleanup=[Path({str(folder)!r})])
        print(kept.keeper.pid, flush=True)
    """).strip() + ("\nimport time; time.sleep(1000)" if folder.exists() else "")


def test_the_exit_code_and_the_last_words_are_told(tmp_path):
    kept = Kept.start(["/bin/sh", "-c", "echo so long; exit 3"], env=ENV, log=tmp_path / "home.log")
    assert kept.wait(10) == 3
    assert kept.last_words() == "so long\n"
    assert kept.keeper.process() is None
    kept.stop()


def test_a_command_that_is_not_there_is_a_clear_error():
    with pytest.raises(StreamgymError, match="nonsense could not be started"):
        Kept.start(["/bin/nonsense"], env=ENV)


def test_a_sandboxed_child_is_kept_alike(tmp_path):
    readable = ["/usr", "/lib", "/lib64", "/bin"]
    kept = Kept.start(["/bin/sleep", "1000"], env=ENV, sandbox={"fs_readable": readable})
    child = Identity.of(kept.pid)
    kept.stop()
    assert_gone(child)


def test_an_identity_is_not_fooled_by_a_used_again_pid():
    mine = Identity.of(os.getpid())
    assert mine.process()
    assert Identity(mine.pid, mine.created - 1).process() is None
