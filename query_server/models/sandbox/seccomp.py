"""A seccomp filter, without a library: no sockets, no new processes or threads, no change to any file.

The filter is a classic BPF program over ``struct seccomp_data`` (Documentation/userspace-api/seccomp_filter.rst of
Linux): system calls on the list fail with EPERM, and so does opening a file for writing. Everything else passes, so
that a newer C library is never broken by a call nobody thought of. The first line of defense is that uploaded graphs
have no operator that would ask for any of it; this is the second.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_FILTER_FLAG_TSYNC = 1  # all threads that there are
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_LOAD, _EQUALS, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND

# Names beside numbers: asm/unistd_64.h and asm-generic/unistd.h.
_SINCE_5 = {
    "io_uring_setup": 425,
    "pidfd_send_signal": 424,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "openat2": 437,
}
_X86_64 = _SINCE_5 | {
    **{"socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "accept4": 288},
    **{"execve": 59, "kill": 62, "ptrace": 101, "execveat": 322, "process_vm_readv": 310},
    **{"process_vm_writev": 311, "fork": 57, "vfork": 58, "truncate": 76, "ftruncate": 77, "rename": 82},
    **{
        "mkdir": 83,
        "rmdir": 84,
        "creat": 85,
        "link": 86,
        "unlink": 87,
        "symlink": 88,
        "chmod": 90,
        "fchmod": 91,
    },
    **{"chown": 92, "fchown": 93, "lchown": 94, "mknod": 133, "chroot": 161, "mount": 165, "umount2": 166},
    **{"init_module": 175, "add_key": 248, "request_key": 249, "keyctl": 250, "mkdirat": 258, "mknodat": 259},
    **{"fchownat": 260, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268},
    **{"unshare": 272, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "finit_module": 313},
    **{"renameat2": 316, "memfd_create": 319, "bpf": 321, "userfaultfd": 323},
}
_AARCH64 = _SINCE_5 | {
    **{
        "socket": 198,
        "socketpair": 199,
        "bind": 200,
        "listen": 201,
        "accept": 202,
        "connect": 203,
        "accept4": 242,
    },
    **{"execve": 221, "kill": 129, "ptrace": 117, "execveat": 281, "process_vm_readv": 270},
    **{
        "process_vm_writev": 271,
        "truncate": 45,
        "ftruncate": 46,
        "mknodat": 33,
        "mkdirat": 34,
        "unlinkat": 35,
    },
    **{"symlinkat": 36, "linkat": 37, "renameat": 38, "umount2": 39, "mount": 40, "chroot": 51, "fchmod": 52},
    **{"fchmodat": 53, "fchownat": 54, "fchown": 55, "unshare": 97, "init_module": 105, "add_key": 217},
    **{"request_key": 218, "keyctl": 219, "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268},
    **{"finit_module": 273, "renameat2": 276, "memfd_create": 279, "bpf": 280, "userfaultfd": 282},
}
# Architecture's audit number, its list, clone, the opening calls with the place of their flags, and seccomp itself.
_MACHINES = {
    "x86_64": (0xC000003E, _X86_64, 56, {2: 1, 257: 2}, 317),
    "aarch64": (0xC00000B7, _AARCH64, 220, {56: 2}, 277),
}
_CLONE3 = 435


def confine_calls(*, threads: bool, writing: bool) -> str:
    """Install the filter for this process, for good.

    Args:
        threads: Whether threads and processes may still be made.
        writing: Whether files and devices may be opened for writing.

    Returns:
        "", or why there is none.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        return f"no system call filter is written for {machine}"
    architecture, denied, clone, opening, seccomp = _MACHINES[machine]
    numbers = sorted({*denied.values(), *(() if threads else (clone, _CLONE3))})
    program = _program(architecture, numbers, {} if writing else opening)
    packed = b"".join(struct.pack("<HBBI", *line) for line in program)
    lines = ctypes.create_string_buffer(packed, len(packed))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(lines)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return f"the kernel refuses no_new_privs ({errno.errorcode.get(ctypes.get_errno())})"
    if libc.syscall(seccomp, _SECCOMP_SET_MODE_FILTER, _FILTER_FLAG_TSYNC, header):
        return f"the kernel refuses a system call filter ({errno.errorcode.get(ctypes.get_errno())})"
    return ""


def _program(
    architecture: int, denied: list[int], opening: dict[int, int]
) -> list[tuple[int, int, int, int]]:
    """Return BPF instructions (code, jump if true, jump if false, constant)."""
    fail = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUALS, 1, 0, architecture),
        fail,
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if architecture == _MACHINES["x86_64"][0]:  # the x32 calls, by other numbers
        lines += [(_AT_LEAST, 0, 1, 0x40000000), fail]
    for number in denied:
        lines += [(_EQUALS, 0, 1, number), fail]
    for number, place in opening.items():
        lines += [
            (_EQUALS, 0, 4, number),
            (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * place),  # the low half, little-endian
            (_ANY_BIT, 0, 1, _WRITING),
            fail,
            (_RETURN, 0, 0, _ALLOW),
        ]
    return [*lines, (_RETURN, 0, 0, _ALLOW)]
