"""Removing what a program has left, however it has left it."""

import os
from pathlib import Path

from streamgym.stack.removal import remove


def test_folders_too_deep_to_be_named_are_removed(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    for _ in range(1500):
        os.mkdir("deep")  # noqa: PTH102
        os.chdir("deep")
    Path("file").touch()
    monkeypatch.undo()
    remove(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_folders_that_their_owner_may_not_read_are_removed(tmp_path: Path) -> None:
    closed = tmp_path / "folder" / "closed"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner" / "file").touch()
    (closed / "inner").chmod(0o300)
    closed.chmod(0)
    remove(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "kept", target_is_directory=True)
    os.mkfifo(tmp_path / "folder" / "pipe")
    remove(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove(tmp_path / "none")
