"""Gives freed memory back to the system, which the C library keeps for itself otherwise."""

import ctypes
import ctypes.util
from collections.abc import Callable
from functools import cache


def give_memory_back() -> None:
    """Gives memory back after a piece of work that needed much for a short time. It takes some milliseconds, and does
    nothing on musl.
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], int]:
    library = ctypes.CDLL(ctypes.util.find_library("c") or None)
    trim: Callable[[int], int] = getattr(library, "malloc_trim", lambda pad: 0)
    return trim
