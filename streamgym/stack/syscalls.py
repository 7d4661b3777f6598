"""What a sandbox of Landlock and sandlock lets through, closed by a seccomp filter of our own.

Landlock knows nothing of modes, owners, times and attributes of files, of protocols beside TCP, nor
of other processes' limits (``landlock(7)``, "Limitations"), and root keeps its rights in it.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable
from ctypes.util import find_library

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
"""``SECCOMP_RET_ALLOW`` and ``SECCOMP_RET_ERRNO`` of ``linux/seccomp.h``; an errno of 0 pretends
that a call was successful."""

LOAD, IF_EQUAL, IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
"""Instructions of classic BPF, as ``linux/filter.h`` numbers them."""

NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Where a filter finds them (``struct seccomp_data``)."""

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""``AUDIT_ARCH_*`` of ``linux/audit.h``; calls in another one's numbers are refused."""

OTHER_ABI = 0x40000000
"""From here on stand the numbers of x86-64's x32 ABI, which name the same calls once more."""

IPPROTO_MPTCP = 262

CAPABILITIES_VERSION_3 = 0x20080522


def restrict(pretended: Iterable[str]) -> None:
    """Take from the calling thread, and all that it starts, what no submission needs.

    That is every capability, Multipath TCP, the limits of other processes, and the times of files.

    Args:
        pretended: calls that do nothing and report success.

    Raises:
        OSError: the kernel refuses to.
    """
    libc = ctypes.CDLL(find_library("c"), use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION_3, 0)
    _must(libc.capset(header, (ctypes.c_uint32 * 6)()))
    program = _program(pretended)
    code = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))
    _must(libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), described))


def _program(pretended: Iterable[str]) -> bytes:
    refuse = _instruction(RETURN, ERRNO | errno.EPERM)
    program = _instruction(LOAD, ARCHITECTURE)
    program += _instruction(IF_EQUAL, ARCHITECTURES[platform.machine()], 1, 0) + refuse
    program += _instruction(LOAD, NUMBER)
    program += _instruction(IF_AT_LEAST, OTHER_ABI, 0, 1) + refuse
    for number in _numbers(pretended):
        program += _instruction(IF_EQUAL, number, 0, 1) + _instruction(RETURN, ERRNO)
    program += _times()
    program += _refused_if("socket", 2, IPPROTO_MPTCP, equal=True)
    program += _refused_if("prlimit64", 0, 0, equal=False)
    return program + _instruction(RETURN, ALLOW)


def _times() -> bytes:
    """Return what lets nobody set the times of a file by its name.

    Given times it pretends to, for ``shutil.copy2``. The time of now it refuses: ``Path.touch``
    then opens the file, and so makes one that is not there. Who has opened a file may set them.
    """
    (number,) = _numbers(["utimensat"])
    name, times = ARGUMENTS + 8, ARGUMENTS + 16
    return (
        _instruction(IF_EQUAL, number, 0, 9)
        + _instruction(LOAD, name)
        + _instruction(IF_EQUAL, 0, 0, 2)
        + _instruction(LOAD, name + 4)  # the upper half of the pointer
        + _instruction(IF_EQUAL, 0, 4, 0)
        + _instruction(LOAD, times)
        + _instruction(IF_EQUAL, 0, 1, 0)
        + _instruction(RETURN, ERRNO)
        + _instruction(RETURN, ERRNO | errno.EPERM)
        + _instruction(RETURN, ALLOW)
    )


def _refused_if(name: str, argument: int, value: int, *, equal: bool) -> bytes:
    """Return what refuses a call whose argument (its lower half) has this value, or has not."""
    (number,) = _numbers([name])
    return (
        _instruction(IF_EQUAL, number, 0, 4)
        + _instruction(LOAD, ARGUMENTS + 8 * argument)
        + _instruction(IF_EQUAL, value, int(not equal), int(equal))
        + _instruction(RETURN, ERRNO | errno.EPERM)
        + _instruction(RETURN, ALLOW)
    )


def _numbers(names: Iterable[str]) -> list[int]:
    """Return the numbers of calls; those that this architecture lacks have none."""
    from sandlock._sdk import _lib  # type: ignore[import-untyped]

    found = (int(_lib.sandlock_syscall_nr(name.encode())) for name in names)
    return [number for number in found if number >= 0]


def _instruction(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_so, if_not, value)


def _must(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "the sandbox could not be closed")
