"""Keeps the pixel data of a DICOM file as the picture alone.

Nothing stays behind the pixels, between or behind compressed frames, in their comments, or in the
bits that no pixel uses. No pixel is changed.
"""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from cases.intake.metadata import pack_rle_anew, strip_jpeg, strip_jpeg_2000
from ml.images.codestream import JPEG_2000_SYNTAXES, bare_codestream, begins_another, measure_codestream
from ml.images.decoding import ImageError
from ml.images.dicom import check_frames_fit, more_frames, set_frames
from ml.images.dicom_header import frame_count, number, text

_PIXEL_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def drop_embedded_overlays(dataset: pydicom.Dataset) -> None:
    """Clear overlay planes that old files hide in the unused bits of the pixels themselves."""
    planes = (0x60000102 + (group << 16) for group in range(0, 0x20, 2))
    hidden = any(str(dataset[plane].value) != "0" for plane in planes if plane in dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    stored, allocated = number(dataset, "BitsStored"), number(dataset, "BitsAllocated")
    if not hidden or syntax.is_encapsulated or allocated != 16 or not 0 < stored < 16:
        return
    order = "<" if syntax.is_little_endian else ">"
    signed = number(dataset, "PixelRepresentation") == 1
    high = number(dataset, "HighBit", stored - 1)
    kind = f"{order}{'i' if signed else 'u'}2"
    even = len(dataset.PixelData) // 2 * 2
    values = np.frombuffer(dataset.PixelData[:even], dtype=kind).astype(kind[1:])
    values = np.left_shift(values, int(15 - high))
    values = np.right_shift(values, int(16 - stored))
    values = np.left_shift(values, int(high - stored + 1))
    dataset.PixelData = values.astype(kind).tobytes() + dataset.PixelData[even:]


def keep_picture_alone(dataset: pydicom.Dataset) -> None:
    """Keep the picture alone: no comments inside compressed frames, and nothing behind the pixels of any."""
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if not syntax.is_encapsulated:
            _cut_to_length(dataset)
            return
        frames = list(generate_frames(dataset.PixelData, number_of_frames=frame_count(dataset)))
        set_frames(dataset, [_stripped_frame(dataset, frame) for frame in frames])
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # pydicom raises nearly any type on hostile bytes
        raise ImageError(
            "damaged", "The DICOM file is damaged and cannot be read.", "Copy or export it again."
        ) from error


def _cut_to_length(dataset: pydicom.Dataset) -> None:
    """Drop what is behind the last pixel of uncompressed data, down to the padding bits."""
    keyword = next(keyword for keyword in _PIXEL_KEYWORDS if keyword in dataset)
    check_frames_fit(dataset)
    bits = number(dataset, "Rows") * number(dataset, "Columns") * number(dataset, "BitsAllocated")
    length = ceil(bits * number(dataset, "SamplesPerPixel", 1) * frame_count(dataset) / 8)
    if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        length = length // 3 * 2
    data = dataset[keyword].value
    if length % 2 and not dataset.file_meta.TransferSyntaxUID.is_little_endian and len(data) > length:
        # The last pixel and the padding byte change places where bytes are written as big-endian words.
        dataset[keyword].value = data[: length - 1] + b"\0" + data[length : length + 1]
    elif len(data) >= length:
        dataset[keyword].value = data[:length] + b"\0" * (length % 2)


def _stripped_frame(dataset: pydicom.Dataset, frame: bytes) -> bytes:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == RLELossless:
        return pack_rle_anew(
            frame,
            rows=int(number(dataset, "Rows")),
            columns=int(number(dataset, "Columns")),
            samples=int(number(dataset, "SamplesPerPixel", 1)),
            bits=int(number(dataset, "BitsAllocated")),
        )
    _, length = measure_codestream(bare_codestream(frame, syntax), syntax)
    if begins_another(bare_codestream(frame, syntax), length):
        raise more_frames()
    if syntax in JPEG_2000_SYNTAXES:
        return strip_jpeg_2000(bare_codestream(frame, syntax))
    return _strip_jpeg_frame(frame)


def _strip_jpeg_frame(frame: bytes) -> bytes:
    """As `strip_jpeg`; a frame without its end marker, as some devices write, gets one."""
    try:
        return strip_jpeg(frame)
    except ImageError as error:
        if error.code != "truncated":
            raise
        return strip_jpeg(frame.rstrip(b"\0") + b"\xff\xd9")
