"""Messages between the portal and a process that reads files: length, then a pickle, with descriptors beside it."""

from __future__ import annotations

import datetime
import io
import pickle
import socket
import struct
from dataclasses import dataclass, is_dataclass
from typing import Any, Final

from cases.disk_trouble import DiskTrouble
from cases.intake.allowance import Allowance
from cases.intake.one_file import Options, Taken
from cases.intake.refusals import UploadExhausted
from cases.intake.spool import Spool
from ml.images.decoding import ImageError

_LENGTH: Final = struct.Struct("!Q")
_LONGEST: Final = 64 << 20
_PLAIN: Final = {
    (each.__module__, each.__qualname__): each for each in (datetime.date, datetime.datetime, datetime.time)
}


@dataclass(frozen=True)
class Stretch:
    """Where a file is kept, by the number of its spool's descriptor among those sent along."""

    name: str
    spool: int
    offset: int
    length: int


@dataclass(frozen=True)
class Request:
    """Some files of an upload; the first descriptor is of the spool for what they give, and `start` where it ends."""

    files: list[Stretch]
    options: Options
    allowance: Allowance
    start: int
    descriptors: int


@dataclass(frozen=True)
class Reply:
    """What one file gave, what is left of the upload's allowance, and where the spool ends now."""

    taken: Taken
    allowance: Allowance
    end: int
    error: UploadExhausted | DiskTrouble | None = None


class BrokenChannel(Exception):
    """The other side has gone."""


class ForeignObject(Exception):
    """A message holds what no message of the intake holds."""


def send(
    channel: socket.socket, message: Any, *, descriptors: tuple[int, ...] = (), spool: Spool | None = None
) -> None:
    """`spool`, wherever the message refers to it, is left out: each side has its own."""
    body = io.BytesIO()
    _Writer(body, spool).dump(message)
    data = body.getvalue()
    if descriptors:
        socket.send_fds(channel, [_LENGTH.pack(len(data))], list(descriptors))
    else:
        channel.sendall(_LENGTH.pack(len(data)))
    channel.sendall(data)


def receive(channel: socket.socket, *, spool: Spool | None = None) -> Any:
    """Returns the next message. Only the intake's own kinds of object are made, whatever the other side sends.

    Raises:
        BrokenChannel: there is none.
        ForeignObject: it holds something else.
        TimeoutError: none came in the channel's time.
    """
    return _Reader(io.BytesIO(_exactly(channel, _length(_exactly(channel, _LENGTH.size)))), spool).load()


def receive_request(channel: socket.socket, *, descriptors: int) -> tuple[Any, list[int]]:
    """Returns the next message with its descriptors."""
    head, found, _, _ = socket.recv_fds(channel, _LENGTH.size, descriptors)
    if not head:
        raise BrokenChannel
    head += _exactly(channel, _LENGTH.size - len(head))
    return _Reader(io.BytesIO(_exactly(channel, _length(head))), None).load(), found


def _length(head: bytes) -> int:
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise BrokenChannel
    return int(length)


def _exactly(channel: socket.socket, count: int) -> bytes:
    pieces = []
    while count:
        piece = channel.recv(min(count, 1 << 20))
        if not piece:
            raise BrokenChannel
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


class _Writer(pickle.Pickler):
    def __init__(self, body: io.BytesIO, spool: Spool | None) -> None:
        super().__init__(body)
        self._spool = spool

    def persistent_id(self, value: Any) -> str | None:
        if isinstance(value, Spool):
            if value is not self._spool:
                raise pickle.PicklingError("A message refers to one spool only.")
            return "spool"
        return None


class _Reader(pickle.Unpickler):
    def __init__(self, body: io.BytesIO, spool: Spool | None) -> None:
        super().__init__(body)
        self._spool = spool

    def persistent_load(self, pid: Any) -> Spool | None:
        return self._spool

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        own = {(each.__module__, each.__name__) for each in (ImageError, DiskTrouble)}
        if module.startswith("cases.intake.") or (module, name) in own:
            found = super().find_class(module, name)
            is_own = isinstance(found, type) and found.__module__ == module
            if is_own and (is_dataclass(found) or issubclass(found, ImageError | DiskTrouble) or name == "Kept"):
                return found
        raise ForeignObject(f"Add {module}.{name} to what messages may hold, or leave it out of them.")
