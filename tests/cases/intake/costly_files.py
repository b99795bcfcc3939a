"""Makes small files that ask for much: memory, time or pixels.

`python -m tests.cases.intake.costly_files FILE LIMITS` reads one as the portal does, in a process that can be watched.
"""

from __future__ import annotations

import functools
import io
import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit

from cases.intake import Limits, SentFile, read_upload
from cases.intake.decoders import Decoders
from tests.ct_files import ct_slice, dicom_file, grey_picture, image_file, zip_file

MIB = 1 << 20


def jpeg_with_restart_markers(size: int = 20 * MIB) -> bytes:
    """Puts millions of markers that begin nothing behind its only scan."""
    whole = image_file(Image.fromarray(grey_picture((64, 64))), "JPEG")
    return whole[:-2] + b"\xff\xfe\0\2" + b"\xff\xd0" * (size // 2) + whole[-2:]


def zipped_restart_markers() -> bytes:
    """The same in a zip, with ballast that keeps its ratio inconspicuous."""
    ballast = np.random.default_rng(0).integers(0, 256, 400_000, dtype=np.uint8).tobytes()
    return zip_file({"a.jpg": jpeg_with_restart_markers(38 * MIB), "ballast": ballast})


def dicom_with_empty_items(count: int = 500_000) -> bytes:
    """Makes a kept sequence of half a million items, each of eight bytes."""
    ds = ct_slice()
    whole = dicom_file(ds)
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count
    element = struct.pack("<HH2sHI", 0x0018, 0x9301, b"SQ", 0, len(items)) + items
    at = whole.index(struct.pack("<HH2s", 0x0020, 0x000D, b"UI"))
    return whole[:at] + element + whole[at:]


def _encapsulated(frames: list[bytes], syntax: str, *, size: int = 512, bits: int = 8) -> bytes:
    ds = ct_slice()
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.Rows = ds.Columns = size
    if len(frames) > 1:
        ds.NumberOfFrames = len(frames)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    return dicom_file(ds)


def _codestream(size: int) -> bytes:
    picture = Image.fromarray(np.zeros((size, size), np.uint8))
    out = io.BytesIO()
    picture.save(out, "JPEG2000", no_jp2=True)
    return out.getvalue()


def dicom_with_decoy_size(size: int = 16_000) -> bytes:
    """A JPEG 2000 box file: the first size that it shows is 512², the one that is decoded 16 000²."""
    small = _codestream(512)
    siz = small.index(b"\xff\x51")
    large = bytearray(small)
    for at in (siz + 6, siz + 10, siz + 22, siz + 26):
        large[at : at + 4] = struct.pack(">I", size)
    header = struct.pack(">I4sIIHBBBB", 22, b"ihdr", size, size, 1, 7, 7, 0, 0)
    colour = struct.pack(">I4sBBBI", 15, b"colr", 1, 0, 0, 17)
    boxes = struct.pack(">I4sI", 12, b"jP  ", 0x0D0A870A)
    boxes += struct.pack(">I4s4sI4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ")
    boxes += struct.pack(">I4s", 8 + len(small), b"free") + small
    boxes += struct.pack(">I4s", 8 + len(header) + len(colour), b"jp2h") + header + colour
    boxes += struct.pack(">I4s", 8 + len(large), b"jp2c") + bytes(large)
    return _encapsulated([boxes], JPEG2000Lossless)


def dicom_with_hierarchical_size() -> bytes:
    """A JPEG whose DHP marker announces 60 000², which libjpeg allocates before it meets the frame's own size."""
    whole = image_file(Image.fromarray(grey_picture((512, 512))), "JPEG")
    frame = whole.index(b"\xff\xc0")
    announced = b"\xff\xde" + struct.pack(">HBHHBBBB", 11, 8, 60_000, 60_000, 1, 1, 0x11, 0)
    return _encapsulated([whole[:frame] + announced + whole[frame:]], JPEGBaseline8Bit)


def tiff_with_one_huge_tile(side: int = 40_000) -> bytes:
    """Makes 64² pixels, in a tile of 40 000²."""
    packer = zlib.compressobj(9)
    tile = b"".join(packer.compress(bytes(side * 100)) for _ in range(side // 100)) + packer.flush()
    entries = [
        (256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, side), (323, 4, side), (324, 4, 8), (325, 4, len(tile)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        directory += struct.pack("<HHII", tag, kind, 1, value)
    return struct.pack("<4sI", b"II*\0", 8 + len(tile)) + tile + directory + bytes(4)


def dicom_of_sixty_large_frames() -> bytes:
    """Makes 60 frames of 4096², a billion pixels in some kilobytes."""
    return _encapsulated([_codestream(4096)] * 60, JPEG2000Lossless, size=4096)


COSTLY: dict[str, Callable[[], bytes]] = {
    "restart markers": jpeg_with_restart_markers,
    "restart markers in a zip": zipped_restart_markers,
    "empty items": dicom_with_empty_items,
    "decoy size": dicom_with_decoy_size,
    "hierarchical size": dicom_with_hierarchical_size,
    "huge tile": tiff_with_one_huge_tile,
    "large frames": dicom_of_sixty_large_frames,
}


def measure(data: bytes, limits: Limits) -> dict[str, Any]:
    """Read a file as the portal does, and say what became of it."""
    decoders = Decoders()
    sent = SentFile("file", functools.partial(io.BytesIO, data), len(data))
    intake = read_upload([sent], uid_key=b"a secret of the installation", limits=limits, reader=decoders)
    decoders.close()
    return {
        "codes": [refusal.code for refusal in intake.refusals],
        "problems": [refusal.problem for refusal in intake.refusals],
        "slices": sum(len(scan.slices) for scan in intake.scans),
    }


if __name__ == "__main__":
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    path, limits = sys.argv[1:]
    print(json.dumps(measure(Path(path).read_bytes(), Limits(**json.loads(limits)))))
