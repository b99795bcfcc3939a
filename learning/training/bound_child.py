"""`python bound_child.py PARENT COMMAND …` becomes the command, which the kernel kills when its parent dies.

A program of its own, since a worker has threads, and between a fork and an exec with threads no Python may run.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is the worker's own


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
