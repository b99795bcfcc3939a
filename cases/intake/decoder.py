"""A process that decodes files and nothing else: `python -m cases.intake.decoder DESCRIPTOR`.

It knows no settings, no database and no model. Its memory and its processor time are bounded for each file, and it
ends when it has had nothing to do for a while, or when whoever started it has gone.
"""

from __future__ import annotations

import math
import resource
import socket
import sys
from typing import Final

from cases.disk_trouble import DiskTrouble
from cases.intake.channel import BrokenChannel, Reply, Request, receive_request, send
from cases.intake.contents import Limits
from cases.intake.one_file import Taken, read_files
from cases.intake.refusals import UploadExhausted
from cases.intake.spool import Kept, Spool

IDLE_SECONDS: Final = 60
OUT_OF_MEMORY: Final = 3
FILES_FOR_ONE_PROCESS: Final = 5000


def main(descriptor: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    channel = socket.socket(fileno=descriptor)
    channel.settimeout(IDLE_SECONDS)
    bounds, count = Bounds(), 0
    try:
        while count < FILES_FOR_ONE_PROCESS:
            request, descriptors = receive_request(channel, descriptors=16)
            count += _serve(channel, request, descriptors, bounds)
    except (TimeoutError, BrokenChannel, ConnectionError):
        return
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


def _serve(channel: socket.socket, request: Request, descriptors: list[int], bounds: Bounds) -> int:
    out = Spool(descriptor=descriptors[0], start=request.start)
    sources = [Spool(descriptor=each) for each in descriptors[1:]]
    for file in request.files:
        kept = Kept(sources[file.spool], file.offset, file.length)
        bounds.set_for(file.length, request.options.limits)
        send(channel, _read(file.name, kept, request, out), spool=out)
    bounds.lift()
    return len(request.files)


def _read(name: str, kept: Kept, request: Request, out: Spool) -> Reply:
    allowance = request.allowance
    try:
        (taken,) = read_files([(name, kept)], options=request.options, spool=out, allowance=allowance)
    except (UploadExhausted, DiskTrouble) as error:
        return Reply(Taken(), allowance, out.end, error)
    return Reply(taken, allowance, out.end)


class Bounds:
    """How much memory and processor time this process may use, counted from what it uses at rest."""

    def __init__(self) -> None:
        self._at_rest = _address_space()

    def set_for(self, size: int, limits: Limits) -> None:
        memory = self._at_rest + limits.memory_for(size)
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = math.ceil(used.ru_utime + used.ru_stime + limits.file_seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))

    def lift(self) -> None:
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU):
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main(int(sys.argv[1]))
