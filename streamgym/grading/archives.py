"""Zip files of submissions, as Moodle and Canvas give them: unpacked without trusting them."""

import os
import re
import stat
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from streamgym.errors import StreamgymError

MAX_FILES = 5000
"""Entries of the largest archive that is read."""

MAX_BYTES = 20_000_000
"""Size of the largest file in it; one that says it is larger, or is, is cut off there."""

MAX_TOTAL = 2_000_000_000
"""Bytes that all files of one archive may have together."""

LEFT_OUT = {"__MACOSX", ".ipynb_checkpoints"}
"""Folders of copies that nobody handed in."""

UNSAFE = re.compile(r'[\x00-\x1f<>:"|?*\\]')


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack the notebooks of a zip file below ``folder``; return their paths, by name.

    Other files, links and encrypted entries are left out. A name stays below the folder, whatever
    it says; a file that is too large keeps one byte more than may be read, and so gets its row.
    Files keep their times, as if those were UTC: a zip file knows no time zone.

    Raises:
        StreamgymError: it is not a zip file, has too many entries, or grows too large.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            if len(opened.infolist()) > MAX_FILES:
                raise StreamgymError(f"{archive} has more than {MAX_FILES:,} files: split it")
            return sorted(_unpacked(opened, folder))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise StreamgymError(f"{archive} cannot be unpacked ({error}): download it again") from None


def _unpacked(opened: zipfile.ZipFile, folder: Path) -> Iterator[Path]:
    taken: defaultdict[Path, set[str]] = defaultdict(set)
    total = 0
    for entry in filter(_is_notebook, opened.infolist()):
        path = folder.joinpath(*_safe(entry.filename))
        path = path.with_stem(unused(path.stem, taken[path.parent]))
        taken[path.parent].add(path.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content := _content(opened, entry))
        _date(path, entry)
        total += len(content)
        if total > MAX_TOTAL:
            raise StreamgymError(f"{opened.filename} grows beyond {MAX_TOTAL:,} bytes: split it")
        yield path


def _date(path: Path, entry: zipfile.ZipInfo) -> None:
    with suppress(ValueError):  # such as a month 0
        time = datetime(*entry.date_time, tzinfo=UTC).timestamp()
        os.utime(path, (time, time))


def _content(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with opened.open(entry) as source:
            return source.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return f"damaged in the archive: {error}".encode()


def unused(name: str, taken: Collection[str]) -> str:
    """Return a name that nobody has: itself, or with a number."""
    numbered = (f"{name} ({number})" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(n for n in numbered if n not in taken)


def _is_notebook(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    encrypted, link = entry.flag_bits & 1, stat.S_ISLNK(entry.external_attr >> 16)
    hidden = path.name.startswith("._") or not LEFT_OUT.isdisjoint(path.parts)
    return path.suffix == ".ipynb" and not (entry.is_dir() or encrypted or link or hidden)


def _safe(name: str) -> list[str]:
    """Return the parts of a path that cannot lead anywhere else; no folder is called as a file."""
    parts = [UNSAFE.sub("_", part)[-150:] for part in PurePosixPath(name).parts]
    *folders, file = [part for part in parts if part not in ("..", ".", "/", "")]
    return [*(re.sub(r"\.ipynb$", "_", folder) for folder in folders), file]
