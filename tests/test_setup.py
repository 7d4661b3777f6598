"""The set-up script empties nothing but a virtual environment."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "setup.sh"


@pytest.fixture
def folder(tmp_path):
    """A folder of somebody's, with the script in it."""
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "precious").write_text("keep me")
    return tmp_path


@pytest.mark.parametrize("arguments", [[], [""], ["."], ["work"]])
@pytest.mark.parametrize("is_environment", [False, True])
def test_it_refuses_to_empty_a_folder_that_is_not_its_own(folder, arguments, is_environment):
    if is_environment:
        (folder / "pyvenv.cfg").touch()
    done = subprocess.run(
        ["sh", "setup.sh", *arguments], cwd=folder, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2
    assert done.stderr.startswith("streamgym: ")
    assert len(done.stderr.splitlines()) == 1
    assert (folder / "work" / "precious").read_text() == "keep me"


def test_a_python_that_does_not_fit_is_one_line(folder):
    tools = folder / "tools"
    tools.mkdir()
    (tools / "python3").write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo Python 3.14.0 || exit 1\n"
    )
    (tools / "python3").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "setup.sh", ".venv"],
        cwd=folder,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Python 3.11 or 3.12 is needed, and Python 3.14.0 is what there is" in done.stderr
