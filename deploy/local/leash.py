"""Run a command that the kernel ends when its starter dies, as another user if asked.

A program of its own, run by path and replaced by the command, so that nothing has to run between
fork and exec of a process with threads. Where the kernel has no such leash (it is Linux's), the
record of the process (records.py) lets the next run end what is left.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """leash.py <signal> <starter's pid> <uid> <gid> <command...>; uid -1 keeps the user."""
    death_signal, starter, uid, gid = (int(argument) for argument in sys.argv[1:5])
    command = sys.argv[5:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            sys.exit(f"cannot be leashed: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != starter:
            sys.exit("the starter is gone already")
    os.execv(command[0], command)  # noqa: S606 - there is no shell, and none is wanted


if __name__ == "__main__":
    main()
