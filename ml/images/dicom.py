"""Converts DICOM to Hounsfield units (HU) and to lung-window views."""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filereader import read_dataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    UID_dictionary,
)

from ml.images.codestream import bare_codestream, begins_another, measure_codestream
from ml.images.decoding import MAX_PIXELS, ImageError, decode_raster, lung_window, require_memory
from ml.images.dicom_header import frame_count, number, settle_numbers
from ml.images.display import COLOUR, GREY, LUMINANCE, PALETTE, display_view, photometric
from ml.images.hounsfield import hounsfield, is_hounsfield
from ml.images.pixel_shape import in_proportion

# pydicom quotes values that it finds odd in its warnings. They may be a patient's: keep them from
# the logs.
warnings.filterwarnings("ignore", module=r"pydicom\.")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

MAX_FRAMES: Final = 4096
_BYTES_FOR_A_SAMPLE: Final = 6
"""What codecs need: 32 bits for each sample while they work, and 16 for what they return."""
MAX_INFLATED_BYTES: Final = 1 << 30

_LATER_SYNTAXES: Final = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
_PIXEL_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def is_dicom(data: bytes) -> bool:
    """Whether the bytes are DICOM: with the preamble, or a bare data set as old archives write."""
    if data[128:132] == b"DICM":
        return True
    group, element = int.from_bytes(data[0:2], "little"), int.from_bytes(data[2:4], "little")
    if group not in (0x0002, 0x0008) or element > 0x0070 or len(data) < 64:
        return False
    explicit = data[4:6] in (b"UL", b"UI", b"CS", b"DA", b"OB", b"LO", b"SH", b"TM")
    return explicit or 0 < int.from_bytes(data[4:8], "little") <= 128


def to_views(data: bytes, *, max_pixels: int = MAX_PIXELS) -> list[np.ndarray]:
    """Turn any supported file into its views; content decides the type.

    Returns:
        ``uint8`` arrays ``(H, W)``: one for an image, one for each frame of a DICOM file.

    Raises:
        ImageError: nothing in the file can become a view.
    """
    if is_dicom(data):
        return dicom_views(data, max_pixels=max_pixels)
    return [decode_raster(data, max_pixels=max_pixels)]


def hounsfield_frames(data: bytes | pydicom.Dataset, *, max_pixels: int = MAX_PIXELS) -> list[np.ndarray]:
    """Returns Hounsfield units of every frame of a DICOM file.

    The file's rescale (per frame where it has one) is applied to the stored values; padding
    becomes air (-1000 HU). MONOCHROME1 asks for an inverted display and does not change HU; only
    where the values so found cannot be a CT (no air, much of the picture above any bone) are the
    stored values taken to be inverted themselves. Without any rescale, slope 1 and intercept 0
    hold; a modality lookup table replaces the rescale. Colour becomes luminance.

    Args:
        data: a whole DICOM file, or a parsed data set with its pixel data.
        max_pixels: largest rows times columns of a frame, read before decoding.

    Returns:
        ``float32`` arrays ``(H, W)`` in HU.

    Raises:
        ImageError: not DICOM, without pixels, truncated, damaged, too large, unknown compression.
    """
    dataset = read_dicom(data, max_pixels=max_pixels) if isinstance(data, bytes) else data
    return [
        hounsfield(dataset, frame, stored if stored.ndim == 2 else stored @ LUMINANCE)
        for frame, stored in _stored_frames(dataset, max_pixels)
    ]


def dicom_views(data: bytes | pydicom.Dataset, *, max_pixels: int = MAX_PIXELS) -> list[np.ndarray]:
    """Returns views of every frame of a DICOM file; see :func:`iter_views`.

    Returns:
        ``uint8`` arrays ``(H, W)``.

    Raises:
        ImageError: as :func:`hounsfield_frames`.
    """
    dataset = read_dicom(data, max_pixels=max_pixels) if isinstance(data, bytes) else data
    return list(iter_views(dataset, max_pixels=max_pixels))


def iter_views(dataset: pydicom.Dataset, *, max_pixels: int = MAX_PIXELS) -> Iterator[np.ndarray]:
    """Yield one frame's view after another: a long file is never decoded in memory as a whole.

    CT in Hounsfield units goes through the lung window. Everything else (another modality, an 8-bit
    screen copy, values without a rescale) goes through the file's own lookup tables or window, or
    else its 0.5 to 99.5 percentiles; colour becomes luminance. Pixels that are not square are made so.
    """
    for frame, stored in _stored_frames(dataset, max_pixels):
        try:
            view = _view(dataset, frame, stored)
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # what describes the display is converted here, and may say anything
            raise _damaged(error) from error
        yield in_proportion(dataset, frame, view, max_pixels=max_pixels)


def _view(dataset: pydicom.Dataset, frame: int, stored: np.ndarray) -> np.ndarray:
    if is_hounsfield(dataset, frame, stored):
        return lung_window(hounsfield(dataset, frame, stored))
    return display_view(dataset, frame, stored)


def read_dicom(data: bytes, *, max_pixels: int = MAX_PIXELS) -> pydicom.Dataset:
    """Parse a DICOM file and check by its header that it may be decoded; nothing is decoded here.

    Raises:
        ImageError: as :func:`hounsfield_frames`.
    """
    if not data:
        raise ImageError("empty", "The file is empty (0 bytes).", "Export the series again.")
    if not is_dicom(data):
        raise ImageError("not-dicom", "The file is not DICOM.", "Export the series again as DICOM.")
    try:
        dataset = _parse(data)
        settle_numbers(dataset)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # pydicom raises nearly any type on hostile bytes
        raise _damaged(error) from error
    check_pixels(dataset, max_pixels=max_pixels)
    return dataset


def check_pixels(dataset: pydicom.Dataset, *, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse a data set whose header says that there is nothing, or too much, to decode."""
    if not any(keyword in dataset for keyword in _PIXEL_KEYWORDS):
        if number(dataset, "Rows") and number(dataset, "BitsAllocated"):
            raise ImageError(
                "truncated",
                "The DICOM file ends before its pixel data.",
                "Copy or export it again.",
            )
        raise ImageError(
            "dicom-no-pixels",
            "The DICOM file holds no image (a report, a plan or a list, for example).",
            "Send the CT slices themselves.",
        )
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise _damaged(ValueError("no rows or columns"))
    if rows * columns > max_pixels:
        raise _too_many_pixels(rows, columns, max_pixels)
    if frame_count(dataset) > MAX_FRAMES:
        raise ImageError(
            "too-many-frames",
            f"The DICOM file says it has {frame_count(dataset)} frames; the limit is {MAX_FRAMES}.",
            "Send the series as single slices, in several uploads.",
        )
    if number(dataset, "SamplesPerPixel", 1) not in (1, 3):
        raise _damaged(ValueError("samples per pixel"))
    _check_known_display(dataset)


def _check_known_display(dataset: pydicom.Dataset) -> None:
    """Refuse what is written in a way, or meant to be shown in a way, that is not known here."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not isinstance(syntax, str):  # its element has lost its kind
        raise _damaged(TypeError("transfer syntax"))
    try:
        get_decoder(syntax)
    except NotImplementedError:
        raise _unknown_compression(syntax) from None
    shown, samples = photometric(dataset), number(dataset, "SamplesPerPixel", 1)
    if not (samples == 1 and (shown in GREY or shown == PALETTE)) and not (samples == 3 and shown in COLOUR):
        raise ImageError(
            "dicom-display",
            "The DICOM file does not say in a way known here how its pixels are to be shown.",
            "Export the series again, in grey (MONOCHROME2).",
        )


def _parse(data: bytes) -> pydicom.Dataset:
    if str(DeflatedExplicitVRLittleEndian).encode() in data[:4096]:
        dataset = _parse_deflated(data)
    else:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if not getattr(dataset, "file_meta", None):
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit = dataset.original_encoding[0] is not False
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _parse_deflated(data: bytes) -> pydicom.Dataset:
    """Inflate with a limit: pydicom would inflate whatever it is given."""
    stream = io.BytesIO(data)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(data[stream.tell() :], MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise ImageError(
            "decompression-bomb",
            "The deflated DICOM file unpacks to more data than any CT needs.",
            "Export it again without compression.",
        )
    if not inflater.eof:
        raise ImageError("truncated", "The deflated DICOM file ends too early.", "Copy or export it again.")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    body = read_dataset(io.BytesIO(inflated), False, True)
    return pydicom.FileDataset(
        io.BytesIO(), body, preamble=b"\0" * 128, file_meta=pydicom.dataset.FileMetaDataset(meta),
        is_implicit_VR=False, is_little_endian=True,
    )  # fmt: skip


def _stored_frames(dataset: pydicom.Dataset, max_pixels: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the stored values of each frame: grey ``(H, W)``, colour as RGB ``(H, W, 3)``."""
    check_pixels(dataset, max_pixels=max_pixels)
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    try:
        if decoder.is_encapsulated:
            _check_codestreams(dataset, max_pixels)
        else:
            check_frames_fit(dataset)
        count = 0
        # Named, since other codecs that a machine may have abort the process on damaged frames.
        plugin = "pylibjpeg" if decoder.is_encapsulated else ""
        shift = 0 if decoder.is_encapsulated else _bits_below(dataset)
        frames = decoder.iter_array(dataset, decoding_plugin=plugin, correct_unused_bits=not shift)
        for stored, properties in frames:
            if properties["photometric_interpretation"] not in (*GREY, PALETTE, "RGB"):
                raise _damaged(ValueError("unconverted colour"))
            yield count, _moved_down(dataset, stored, shift) if shift else stored
            count += 1
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # the codecs raise nearly any type on hostile bytes
        if decoder.is_encapsulated:
            samples = number(dataset, "SamplesPerPixel", 1)
            require_memory(int(number(dataset, "Rows") * number(dataset, "Columns") * samples) * _BYTES_FOR_A_SAMPLE)
        raise _damaged(error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what a codec in Rust raises is no Exception
            raise
        raise _damaged(ValueError("panic")) from error
    if count < frame_count(dataset):
        raise _damaged(EOFError(f"{count} frames"))


def _bits_below(dataset: pydicom.Dataset) -> int:
    """How many unused bits are below the stored ones: they end at HighBit, which need not be the lowest place."""
    stored, allocated = number(dataset, "BitsStored"), number(dataset, "BitsAllocated")
    high = number(dataset, "HighBit", stored - 1)
    return int(high + 1 - stored) if 0 < stored <= high < allocated and "PixelData" in dataset else 0


def _moved_down(dataset: pydicom.Dataset, stored: np.ndarray, shift: int) -> np.ndarray:
    """Drop the unused bits on both sides of each value; the array's type keeps the sign."""
    above = int(number(dataset, "BitsAllocated") - number(dataset, "HighBit") - 1)
    return np.right_shift(np.left_shift(stored, above), above + shift)


def check_frames_fit(dataset: pydicom.Dataset) -> None:
    """Refuse uncompressed data with more whole frames than the file says: no frame is left out without a word."""
    if "PixelData" not in dataset or photometric(dataset) == "YBR_FULL_422":
        return
    bits = number(dataset, "BitsAllocated") * number(dataset, "SamplesPerPixel", 1)
    frame = number(dataset, "Rows") * number(dataset, "Columns") * bits / 8
    if frame > 0 and len(dataset.PixelData) >= (frame_count(dataset) + 1) * frame > 1:
        raise more_frames()


def _check_codestreams(dataset: pydicom.Dataset, max_pixels: int) -> None:
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    syntax = dataset.file_meta.TransferSyntaxUID
    frames = list(generate_frames(dataset.PixelData, number_of_frames=frame_count(dataset)))
    bare = [bare_codestream(frame, syntax) for frame in frames]
    if bare != frames:
        set_frames(dataset, bare)
    for frame in bare:
        header, length = measure_codestream(frame, syntax)
        if header is None:
            continue
        if begins_another(frame, length):
            raise more_frames()
        if header.width * header.height > max_pixels:
            raise _too_many_pixels(header.height, header.width, max_pixels)
        if (header.width, header.height) != (columns, rows) or header.components > 4:
            raise _damaged(ValueError("codestream unlike its header"))


def set_frames(dataset: pydicom.Dataset, frames: list[bytes]) -> None:
    """Put compressed frames into a data set, one fragment each, in place of its own."""
    dataset.PixelData = encapsulate(frames, has_bot=len(frames) > 1)
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            del dataset[keyword]


def _too_many_pixels(rows: float, columns: float, limit: int) -> ImageError:
    return ImageError(
        "too-many-pixels",
        f"The DICOM image is {columns:.0f} × {rows:.0f} pixels; the limit is {limit / 1e6:g} million.",
        "Send CT slices, usually 512 × 512.",
    )


def more_frames() -> ImageError:
    """The refusal of a file that holds more pictures than its header says."""
    return ImageError(
        "dicom-frames",
        "The DICOM file holds more frames than it says that it has.",
        "Export the series again, as single slices if you can choose.",
    )


def _unknown_compression(syntax: str = "") -> ImageError:
    name = UID(syntax).name.split("(")[0].strip() if syntax in UID_dictionary else _LATER_SYNTAXES.get(syntax, "")
    return ImageError(
        "dicom-compression",
        f"The DICOM file is compressed in a way that is not read here ({name or 'video or an unknown method'}).",
        "Export the series uncompressed, or as JPEG, JPEG 2000, JPEG-LS or RLE.",
    )


def _damaged(error: Exception) -> ImageError:
    text = str(error).lower()
    if isinstance(error, EOFError) or "less than expected" in text or "end of file" in text or "truncated" in text:
        return ImageError(
            "truncated",
            "The DICOM file ends too early; part of it is missing.",
            "Copy or export it again.",
        )
    if "missing dependencies" in text or "missing required dependencies" in text:
        return _unknown_compression()
    return ImageError("damaged", "The DICOM file is damaged and cannot be read.", "Copy or export it again.")
