"""What a DICOM file's picture should look like, computed by pydicom alone."""

from __future__ import annotations

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

LUMINANCE = np.array([0.299, 0.587, 0.114])


def reference_views(dataset: pydicom.Dataset) -> list[np.ndarray]:
    """One picture for each frame, float, 0 black to 255 white; NaN where the file says that nothing is."""
    frames = dataset.pixel_array
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    if count == 1:
        frames = frames[None] if frames.shape[0] != 1 or frames.ndim == 2 else frames
    return [
        _square(described(dataset, number), _view(described(dataset, number), frame))
        for number, frame in enumerate(frames)
    ]


def described(dataset: pydicom.Dataset, frame: int) -> pydicom.Dataset:
    """Returns the file's attributes with those of one frame's functional groups above them."""
    flat = pydicom.Dataset(dataset)
    flat.file_meta = dataset.file_meta
    for keyword, place in (("SharedFunctionalGroupsSequence", 0), ("PerFrameFunctionalGroupsSequence", frame)):
        for group in dataset[keyword].value[place] if keyword in dataset else ():
            if group.VR == "SQ" and group.value:
                flat.update(group.value[0])
    return flat


def _view(ds: pydicom.Dataset, frame: np.ndarray) -> np.ndarray:
    shown = ds.PhotometricInterpretation
    if frame.ndim == 3:
        return frame @ LUMINANCE / (2.0**ds.BitsStored - 1) * 255
    if shown == "PALETTE COLOR":
        colour = apply_color_lut(frame, ds)[..., :3]
        bits = ds.RedPaletteColorLookupTableDescriptor[2]
        if colour.max() >= 2**bits:
            bits = 8 * colour.itemsize
        return colour @ LUMINANCE / (2.0**bits - 1) * 255
    view = _grey(ds, frame)
    if shown == "MONOCHROME1" and not _is_hounsfield(ds, frame):
        view = 255 - view
    if "PixelPaddingValue" in ds:
        view = np.where(frame == ds.PixelPaddingValue, np.nan, view)
    return view


def _grey(ds: pydicom.Dataset, frame: np.ndarray) -> np.ndarray:
    values = apply_modality_lut(frame, ds)
    if _is_hounsfield(ds, frame):
        return _stretched(values, -1350, 150)
    if ds.get("VOILUTSequence"):
        return apply_voi_lut(values, ds) / (2.0 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1) * 255
    if ds.get("WindowWidth"):
        shown = apply_voi_lut(values.astype(float), ds)
        ends = apply_voi_lut(np.array([[-1e9, 1e9]]), ds)
        return _stretched(shown, ends.min(), ends.max())
    if ds.BitsAllocated == 8 and values is frame:
        return frame.astype(float)
    inside = values[frame != ds.PixelPaddingValue] if "PixelPaddingValue" in ds else values
    low, high = np.percentile(inside, (0.5, 99.5))
    return _stretched(values, low, high) if high > low else _stretched(values, inside.min(), inside.max())


def _is_hounsfield(ds: pydicom.Dataset, frame: np.ndarray) -> bool:
    if ds.get("Modality") != "CT" or not ds.PhotometricInterpretation.startswith("MONOCHROME"):
        return False
    if ds.get("ModalityLUTSequence"):
        return ds.ModalityLUTSequence[0].get("ModalityLUTType") == "HU"
    if "LOCALIZER" in ds.get("ImageType", []) or ds.get("RescaleType", "HU") not in ("HU", "US") or ds.BitsStored <= 8:
        return False
    return ds.get("RescaleIntercept", 0) != 0 or frame.min() <= -500


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    if not high > low:
        return np.zeros(values.shape)
    return np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255


def _square(ds: pydicom.Dataset, view: np.ndarray) -> np.ndarray:
    ratio = 1.0
    for keyword in ("PixelAspectRatio", "ImagerPixelSpacing", "PixelSpacing"):
        if ds.get(keyword) and all(ds[keyword].value):
            ratio = float(ds[keyword].value[0]) / float(ds[keyword].value[1])
    if abs(ratio - 1) <= 0.01:
        return view
    height, width = view.shape
    size = (width, round(height * ratio)) if ratio > 1 else (round(width / ratio), height)
    return np.asarray(Image.fromarray(view.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
