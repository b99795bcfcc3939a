"""Bytes kept on disk until they are asked for, so that a large series does not fill the memory."""

from __future__ import annotations

import os
import tempfile
import threading
from typing import overload


class Spool:
    """An unnamed temporary file: it is gone when the last slice that reads from it is."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the slices do
        self._lock = threading.Lock()
        self._end = 0

    def keep(self, data: bytes) -> Kept:
        with self._lock:
            kept = Kept(self, self._end, len(data))
            self._file.seek(self._end)
            self._file.write(data)
            self._file.flush()
            self._end += len(data)
        return kept

    def read(self, offset: int, length: int) -> bytes:
        pieces = []
        while length > 0:
            piece = os.pread(self._file.fileno(), length, offset)
            if not piece:
                raise OSError("The temporary file of this upload was cut short; upload it again.")
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)


class Kept:
    """A stretch of a spool."""

    def __init__(self, spool: Spool, offset: int, length: int) -> None:
        self._spool = spool
        self._offset = offset
        self._length = length

    def read(self) -> bytes:
        return self._spool.read(self._offset, self._length)


class Spooled:
    """A dataclass field that takes bytes or a stretch of a spool, and always gives bytes."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Spooled: ...
    @overload
    def __get__(self, instance: object, owner: type) -> bytes: ...
    def __get__(self, instance: object | None, owner: type) -> Spooled | bytes:
        if instance is None:
            raise AttributeError("a required field has no default")
        value: bytes | Kept = instance.__dict__[self._slot]
        return value.read() if isinstance(value, Kept) else value

    def __set__(self, instance: object, value: bytes | Kept) -> None:
        instance.__dict__[self._slot] = value
