"""Files to upload, made by the tests: no patient's picture is in them."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
)

PATIENT = "Quibblethorpe"
"""A name that no file format holds by chance."""


def chest_hu(size: int = 64, shift: int = 0) -> np.ndarray:
    """Returns a body of water with two lungs and a spine in air, int16 HU, different for each shift."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    hu = np.full((size, size), -1000, dtype=np.int16)
    hu[(x / 0.45) ** 2 + (y / 0.35) ** 2 < 1] = 40
    for side in (-1, 1):
        hu[((x - side * 0.2) / 0.15) ** 2 + (y / 0.22) ** 2 < 1] = -850 + shift % 200
    hu[(x / 0.05) ** 2 + ((y - 0.25) / 0.05) ** 2 < 1] = 700
    return hu


def ct_slice(z: float = 0.0, *, hu: np.ndarray | None = None, **attributes: Any) -> pydicom.Dataset:
    """Returns a CT slice full of identity, stored as unsigned 12 bit with intercept -1024."""
    hu = chest_hu(shift=int(z)) if hu is None else hu
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"1.2.3.4.{int(z * 10) + 100000}"
    ds.SeriesInstanceUID, ds.StudyInstanceUID = "1.2.3.5", "1.2.3.6"
    ds.FrameOfReferenceUID = "1.2.3.7"
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PatientName, ds.PatientID = f"{PATIENT}^Anna", f"{PATIENT}-77"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19510203", "F", "075Y"
    ds.StudyDate, ds.StudyTime = "20261101", "101112"
    ds.AccessionNumber, ds.InstitutionName = "ACC-QX17", f"{PATIENT} Hospital"
    ds.ImagePositionPatient = [-100.0, -100.0, float(z)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.InstanceNumber, ds.PixelSpacing, ds.SliceThickness = 1, [0.7, 0.7], 5
    ds.ConvolutionKernel = "B70f"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    set_stored(ds, (hu.astype(np.int32) + 1024).astype(np.uint16))
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def set_stored(ds: pydicom.Dataset, stored: np.ndarray) -> None:
    """Put stored values `(H, W)` or `(N, H, W)` into a data set, uncompressed."""
    ds.Rows, ds.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        ds.NumberOfFrames = len(stored)
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"


def dicom_file(ds: pydicom.Dataset) -> bytes:
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def as_jpeg_lossless(ds: pydicom.Dataset) -> pydicom.Dataset:
    """The same slice as JPEG lossless, what most archives store; no library here writes it."""
    stored = np.frombuffer(ds.PixelData, np.uint16).reshape(ds.Rows, ds.Columns)
    ds.PixelData = encapsulate([lossless_jpeg(stored, precision=16)])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    return ds


def as_jpeg_baseline(ds: pydicom.Dataset, grey: np.ndarray, **options: Any) -> pydicom.Dataset:
    """Compresses an 8-bit picture in a DICOM file with loss."""
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.Rows, ds.Columns = grey.shape
    ds.PixelData = encapsulate([image_file(Image.fromarray(grey), "JPEG", quality=95, **options)])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return ds


def lossless_jpeg(values: np.ndarray, precision: int) -> bytes:
    """Writes JPEG lossless, first-order prediction (ITU-T T.81, process 14, selection value 1)."""
    height, width = values.shape
    work = values.astype(np.int64)
    guess = np.empty_like(work)
    guess[:, 1:] = work[:, :-1]
    guess[1:, 0] = work[:-1, 0]
    guess[0, 0] = 1 << (precision - 1)
    steps = ((work - guess + 32768) % 65536 - 32768).ravel()
    bits = []
    for step in steps.tolist():
        size = abs(step).bit_length()
        bits.append(f"{size:05b}")  # every category has a code of 5 bits
        if size:
            bits.append(f"{step if step > 0 else step + (1 << size) - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    entropy = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = bytes([0, 0, 0, 0, 17, *[0] * 11, *range(17)])
    return b"".join(
        [
            b"\xff\xd8",
            b"\xff\xc3" + struct.pack(">HBHHBBBB", 11, precision, height, width, 1, 1, 0x11, 0),
            b"\xff\xc4" + struct.pack(">HB", len(table) + 3, 0) + table,
            b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0),
            entropy,
            b"\xff\xd9",
        ]
    )


def grey_picture(size: tuple[int, int] = (24, 32), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def image_file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(seed: int = 0) -> bytes:
    return image_file(Image.fromarray(grey_picture(seed=seed)))


def zip_file(
    files: Mapping[str, bytes] | Sequence[tuple[str | zipfile.ZipInfo, bytes]],
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    out = io.BytesIO()
    pairs = files.items() if isinstance(files, Mapping) else files
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in pairs:
            archive.writestr(name, data)
    return out.getvalue()


def opener(data: bytes) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(data)
