"""Zip files of submissions, honest and hostile."""

import stat
import zipfile
from pathlib import Path

import pytest

from streamgym.errors import StreamgymError
from streamgym.grading import archives
from streamgym.grading.found import find


@pytest.fixture
def zipped(tmp_path: Path):
    def make(entries: dict[str, bytes], **changes: int) -> Path:
        path = tmp_path / "class.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                info = zipfile.ZipInfo(name)
                info.external_attr = changes.get("mode", stat.S_IFREG | 0o644) << 16
                archive.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED)
        return path

    return make


def test_the_zips_of_moodle_and_canvas_give_their_students(zipped, tmp_path: Path) -> None:
    path = zipped(
        {
            "Ada Lovelace_1_assignsubmission_file/lab.ipynb": b"{}",
            "hopper_LATE_2_3_lab.ipynb": b"{}",
            "hopper_2_3_lab-1.ipynb": b"{}",
            "notes.txt": b"no notebook",
            "__MACOSX/._lab.ipynb": b"no notebook either",
            "Ada Lovelace_1_assignsubmission_file/.ipynb_checkpoints/lab.ipynb": b"{}",
        }
    )
    found = find([path], tmp_path / "unpacked")
    assert [each.student for each in found] == ["Ada Lovelace", "hopper", "hopper (2)"]


@pytest.mark.parametrize(
    "name", ["../out.ipynb", "/out.ipynb", "a/../../out.ipynb", "..\\out.ipynb", "C:\\out.ipynb"]
)
def test_no_name_leads_out_of_the_folder(zipped, tmp_path: Path, name: str) -> None:
    (path,) = archives.unpack(zipped({name: b"{}"}), tmp_path / "in" / "here")
    assert path.resolve().is_relative_to(tmp_path / "in" / "here")
    assert not list(tmp_path.glob("*.ipynb"))


def test_names_that_become_the_same_are_both_kept(zipped, tmp_path: Path) -> None:
    found = archives.unpack(zipped({"ada.ipynb": b"1", "../ada.ipynb": b"2"}), tmp_path / "in")
    assert sorted(path.read_bytes() for path in found) == [b"1", b"2"]


def test_a_link_is_left_out(zipped, tmp_path: Path) -> None:
    path = zipped({"ada.ipynb": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    assert archives.unpack(path, tmp_path / "in") == []


def test_a_bomb_is_cut_off_and_has_its_row(zipped, tmp_path: Path, monkeypatch) -> None:
    path = zipped({"bomb.ipynb": b"0" * 50_000_000})
    assert path.stat().st_size < 100_000
    (found,) = archives.unpack(path, tmp_path / "in")
    assert found.stat().st_size == archives.MAX_BYTES + 1
    monkeypatch.setattr(archives, "MAX_TOTAL", 30_000_000)
    with pytest.raises(StreamgymError, match="grows beyond"):
        archives.unpack(zipped({f"{n}.ipynb": b"0" * 20_000_000 for n in range(2)}), tmp_path)


def test_a_damaged_entry_costs_no_other_its_row(zipped, tmp_path: Path) -> None:
    path = zipped({"ada.ipynb": b"honest " * 100, "eve.ipynb": b"broken " * 100})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"eve.ipynb") + len("eve.ipynb")
    raw[at + 2 : at + 6] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(raw))
    ada, eve = archives.unpack(path, tmp_path / "in")
    assert ada.read_bytes() == b"honest " * 100
    assert b"damaged in the archive" in eve.read_bytes()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_what_is_no_zip_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "class.zip").write_bytes(content)
    with pytest.raises(StreamgymError, match="download it again"):
        archives.unpack(tmp_path / "class.zip", tmp_path / "in")


def test_too_many_entries_are_refused(zipped, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    with pytest.raises(StreamgymError, match="split it"):
        archives.unpack(zipped({f"{n}.ipynb": b"" for n in range(4)}), tmp_path / "in")


def test_two_archives_of_one_name_lose_nobody(zipped, tmp_path: Path) -> None:
    paths = []
    for group, text in (("a", b"1"), ("b", b"2")):
        (tmp_path / group).mkdir()
        zipped({"ada.ipynb": text}).rename(tmp_path / group / "class.zip")
        paths.append(tmp_path / group / "class.zip")
    found = find(paths, tmp_path / "unpacked")
    assert [(each.student, each.path.read_bytes()) for each in found] == [
        ("ada", b"1"),
        ("ada (2)", b"2"),
    ]


def test_a_file_keeps_its_time_or_gets_one(zipped, tmp_path: Path) -> None:
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("ada.ipynb", (2026, 12, 1, 23, 58, 30)), b"{}")
        archive.writestr(zipfile.ZipInfo("eve.ipynb", (2026, 0, 0, 0, 0, 0)), b"{}")
    ada, eve = (each.read() for each in find([path], tmp_path / "unpacked"))
    assert (ada.handed_in, ada.clock) == ("2026-12-01T23:58:30", "zip file")
    assert eve.clock == "zip file"
