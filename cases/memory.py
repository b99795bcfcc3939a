"""Gives freed memory back to the system, which the C library keeps for itself otherwise."""

import ctypes
import ctypes.util
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path


def give_memory_back() -> None:
    """Gives memory back after a piece of work that needed much for a short time. It takes some milliseconds, and does
    nothing on musl.
    """
    _trim()(0)


def resident_bytes() -> int:
    """Tells how much memory this process takes now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, IndexError):
        return 0


@cache
def _trim() -> Callable[[int], int]:
    library = ctypes.CDLL(ctypes.util.find_library("c") or None)
    trim: Callable[[int], int] = getattr(library, "malloc_trim", lambda pad: 0)
    return trim
