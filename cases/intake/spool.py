"""Bytes kept on disk until they are asked for, so that a large series does not fill the memory."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any, BinaryIO, Final, overload

from cases.disk_trouble import DiskTrouble

_NO_UNNAMED_FILES: Final = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
_BUFFER: Final = 1 << 16


class Spool:
    """A file without a name: it is gone when nothing reads from it any more, or when the process dies.

    Args:
        folder: where its bytes are kept; None takes the system's temporary folder.
        descriptor: of such a file that another process opened; `start` is where this one may write.

    Raises:
        DiskTrouble: the disk takes no more.
    """

    def __init__(self, folder: Path | None = None, *, descriptor: int | None = None, start: int = 0) -> None:
        self.descriptor = unnamed_file(folder or Path(tempfile.gettempdir())) if descriptor is None else descriptor
        self._lock = threading.Lock()
        self.end = start
        self.close = weakref.finalize(self, os.close, self.descriptor)

    def append(self, data: bytes) -> None:
        with self._lock:
            rest, at = memoryview(data), self.end
            try:
                while rest:
                    written = os.pwrite(self.descriptor, rest, at)
                    rest, at = rest[written:], at + written
            except OSError as error:
                raise DiskTrouble.of(error) from error
            self.end = at

    def since(self, start: int) -> Kept:
        """What was appended from `start` on, by the only writer."""
        return Kept(self, start, self.end - start)

    def keep(self, data: bytes) -> Kept:
        start = self.end
        self.append(data)
        return Kept(self, start, len(data))

    def read(self, offset: int, length: int) -> bytes:
        pieces = []
        while length > 0:
            piece = os.pread(self.descriptor, length, offset)
            if not piece:
                raise OSError(errno.EIO, "The temporary file of this upload was cut short; upload it again.")
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)


def unnamed_file(folder: Path) -> int:
    """A descriptor of a new file in the folder that no folder lists, so that nothing of it outlives its readers."""
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_UNNAMED_FILES:
            raise DiskTrouble.of(error) from error
    try:
        descriptor, name = tempfile.mkstemp(dir=folder)
    except OSError as error:
        raise DiskTrouble.of(error) from error
    Path(name).unlink(missing_ok=True)
    return descriptor


class Kept:
    """Describes a stretch of a spool."""

    def __init__(self, spool: Spool, offset: int, length: int) -> None:
        self.spool = spool
        self.offset = offset
        self.length = length

    def read(self) -> bytes:
        return self.spool.read(self.offset, self.length)

    def open(self) -> BinaryIO:
        return io.BufferedReader(_Stretch(self), _BUFFER)


class _Stretch(io.RawIOBase):
    """A stretch of a spool as a file that can be read from anywhere."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        left = max(0, self._kept.length - self._at)
        count = os.preadv(self._kept.spool.descriptor, [view[:left]], self._kept.offset + self._at) if left else 0
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._kept.length}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "A file cannot be read from before its beginning.")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at


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


def opened(instance: object, name: str) -> BinaryIO:
    """Opens the bytes of a spooled field as a file, so that a large one is never in memory as a whole."""
    value: bytes | Kept = instance.__dict__[f"_{name}"]
    return value.open() if isinstance(value, Kept) else io.BytesIO(value)


def length_of(instance: object, name: str) -> int:
    """How many bytes a spooled field holds, without reading them."""
    value: bytes | Kept = instance.__dict__[f"_{name}"]
    return value.length if isinstance(value, Kept) else len(value)
