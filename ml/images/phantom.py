"""Draws synthetic chest CT: a thorax of ellipsoids, with lungs, heart, vessels, bones and optional
opacities.

No patient's image may be shipped, so demonstration cases and fast tests are drawn here. Nothing in them is measured;
everything follows from the seed.
"""

from __future__ import annotations

import datetime
import io
from dataclasses import dataclass

import numpy as np

AIR, LUNG, FAT, MUSCLE, BLOOD, BONE, MARROW, GLASS = -1000.0, -860.0, -95.0, 45.0, 60.0, 520.0, 180.0, -480.0
_FIELD_OF_VIEW_MM = 360.0
_SPACING_MM = 8.0


@dataclass(frozen=True)
class _Anatomy:
    """What varies between phantoms; lengths are shares of the field of view's half."""

    width: float
    depth: float
    lung_width: float
    lung_depth: float
    heart: float
    diaphragm: float
    tilt: float


class _Canvas:
    """Holds a slice's coordinates (x to the picture's right, y down, -1 to 1) and its Hounsfield units."""

    def __init__(self, size: int) -> None:
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
        self.y, self.x = np.meshgrid(axis, axis, indexing="ij")
        self.hu = np.full((size, size), AIR, np.float32)
        self.soft = 1.6 / size

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, power: float = 2.0) -> np.ndarray:
        """Returns the coverage 0–1 of a (super)ellipse, with an edge about two pixels soft."""
        rx, ry = max(rx, 1e-3), max(ry, 1e-3)
        radius = (np.abs((self.x - cx) / rx) ** power + np.abs((self.y - cy) / ry) ** power) ** (1 / power)
        return np.clip((1 - radius) * min(rx, ry) / self.soft / 2 + 0.5, 0, 1)

    def paint(self, coverage: np.ndarray, hu: float | np.ndarray) -> None:
        self.hu += coverage * (hu - self.hu)


def phantom_series(seed: int = 0, slices: int = 24, size: int = 256, opacities: float = 0.0) -> np.ndarray:
    """Draw a chest series from the apices down to the diaphragm.

    Args:
        seed: decides anatomy, vessels, opacities and noise.
        slices: how many, top to bottom.
        size: side of a slice in pixels.
        opacities: extent of ground-glass opacities, 0 (none) to 1 (most of the lungs).

    Returns:
        float32 `(slices, size, size)`, Hounsfield units.
    """
    if slices < 1 or size < 32 or not 0 <= opacities <= 1:
        raise ValueError(
            f"A phantom has at least 1 slice of 32 pixels and opacities of 0 to 1. "
            f"Received: slices={slices}, size={size}, opacities={opacities}"
        )
    rng = np.random.default_rng([seed, 1])
    anatomy = _draw_anatomy(rng)
    vessels = _grow_vessels(rng)
    lesions = _scatter_lesions(rng, opacities)
    grain = np.random.default_rng([seed, 2])
    heights = (np.arange(slices) + 0.5) / slices if slices > 1 else np.array([0.45])
    return np.stack([_draw_slice(anatomy, vessels, lesions, z, size, grain) for z in heights])


def phantom_dicom(
    seed: int = 0, slices: int = 24, size: int = 256, opacities: float = 0.0, *, shuffle: bool = False
) -> list[bytes]:
    """Write a phantom as a DICOM CT series of one file for each slice.

    Args:
        seed, slices, size, opacities: as in `phantom_series`.
        shuffle: hand the files out in an order that is not the anatomical one.
    """
    series = phantom_series(seed, slices, size, opacities)
    files = [_dicom_file(hu, seed, number, size) for number, hu in enumerate(series)]
    if shuffle:
        order = np.random.default_rng([seed, 3]).permutation(slices)
        files = [files[number] for number in order]
    return files


def _draw_anatomy(rng: np.random.Generator) -> _Anatomy:
    return _Anatomy(
        width=rng.uniform(0.84, 0.93),
        depth=rng.uniform(0.66, 0.73),
        lung_width=rng.uniform(0.36, 0.40),
        lung_depth=rng.uniform(0.46, 0.52),
        heart=rng.uniform(0.9, 1.12),
        diaphragm=rng.uniform(0.80, 0.90),
        tilt=rng.uniform(-0.02, 0.02),
    )


def _grow_vessels(rng: np.random.Generator) -> np.ndarray:
    """A tree from each hilum that reaches into the whole lung: rows of start, end (x, y, z) and radius."""
    rows: list[np.ndarray] = []
    for side in (-1.0, 1.0):
        hilum = np.array([side * 0.19, 0.03, 0.43])
        direction = rng.standard_normal((320, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        spread = direction * rng.uniform(0, 1, (320, 1)) ** (1 / 2.4)
        targets = np.array([side * 0.46, 0.02, 0.47]) + spread * np.array([0.35, 0.47, 0.46])
        targets = targets[np.argsort(np.linalg.norm(targets - hilum, axis=1))]
        rows.append(_connect(hilum, targets))
    return np.concatenate(rows).astype(np.float32)


def _connect(root: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Join each target to the nearest point of the tree so far; a branch is as thick as what it carries."""
    nodes, parents = [root], [-1]
    for target in targets:
        detour = np.linalg.norm(np.array(nodes) - target, axis=1) + 0.25 * np.linalg.norm(
            np.array(nodes) - root, axis=1
        )
        parents.append(int(np.argmin(detour)))
        nodes.append(target)
    carried = np.ones(len(nodes))
    for number in range(len(nodes) - 1, 0, -1):
        carried[parents[number]] += carried[number]
    radius = 0.0048 * np.minimum(carried, 80.0) ** 0.42
    return np.array([[*nodes[parents[n]], *nodes[n], radius[n]] for n in range(1, len(nodes))])


def _scatter_lesions(rng: np.random.Generator, opacities: float) -> np.ndarray:
    """Scatters opacities, mostly peripheral, posterior and basal: rows of x, y, z, three radii and density."""
    count = round(opacities * 26) if opacities else 0
    rows = []
    for _ in range(max(count, 2 if opacities else 0)):
        side = rng.choice([-1.0, 1.0])
        angle = rng.normal(0.9, 0.8)
        x = side * (0.46 + 0.27 * np.cos(angle))
        y = -0.02 + 0.36 * np.sin(angle)
        size = rng.uniform(0.07, 0.17) * (0.7 + 0.6 * opacities)
        rows.append((x, y, rng.beta(2.6, 1.8), size, size * rng.uniform(0.5, 1.1), size * 0.9, rng.uniform(0.5, 1.5)))
    return np.array(rows, np.float32).reshape(-1, 7)


def _draw_slice(
    body: _Anatomy, vessels: np.ndarray, lesions: np.ndarray, z: float, size: int, grain: np.random.Generator
) -> np.ndarray:
    canvas = _Canvas(size)
    _draw_wall(canvas, body, z)
    lungs = _lungs(canvas, body, z)
    texture = _noise(size, size / 40, grain) * 18
    canvas.paint(lungs, LUNG + 70 * canvas.y + texture)
    _draw_lesions(canvas, lungs, lesions, z, grain)
    _draw_vessels(canvas, lungs, vessels, z)
    _draw_mediastinum(canvas, body, z)
    _draw_bones(canvas, body, z)
    _draw_table(canvas)
    noise = _noise(size, 0.8, grain) * 22 + _noise(size, 2.2, grain) * 8
    return np.clip(_blur(canvas.hu, 0.7) + noise, -1024, 1600).astype(np.float32)


def _draw_wall(canvas: _Canvas, body: _Anatomy, z: float) -> None:
    shoulders = 0.06 * max(0.0, 0.25 - z) / 0.25
    width = body.width * (0.86 + 0.14 * min(1.0, z / 0.35)) + shoulders
    depth = body.depth * (0.84 + 0.16 * min(1.0, z / 0.4))
    canvas.paint(canvas.ellipse(0, 0.02, width, depth, 2.4), -15.0)
    canvas.paint(canvas.ellipse(0, 0.02, width * 0.985, depth * 0.98, 2.4), FAT)
    canvas.paint(canvas.ellipse(0, 0.03, width * 0.92, depth * 0.90, 2.3), MUSCLE)
    canvas.paint(canvas.ellipse(0, 0.02, width * 0.85, depth * 0.83, 2.2), FAT + 40)
    canvas.paint(canvas.ellipse(0, 0.02, width * 0.83, depth * 0.81, 2.2), MUSCLE)


def _lungs(canvas: _Canvas, body: _Anatomy, z: float) -> np.ndarray:
    """Returns the coverage of both lungs: apices small, largest below the hila, cut by the diaphragm's domes."""
    grow = np.sqrt(np.clip(min(1.0, (z + 0.04) / 0.42), 0, 1))
    total = np.zeros_like(canvas.hu)
    for side in (-1.0, 1.0):
        rx, ry = body.lung_width * grow, body.lung_depth * (0.55 + 0.45 * grow)
        lung = canvas.ellipse(side * (0.13 + 0.31 * (0.5 + 0.5 * grow)), 0.02, rx, ry, 2.25)
        rise = z - (body.diaphragm - (0.10 if side < 0 else 0.06))
        if rise > 0:
            dome = 1.1 * np.sqrt(rise / 0.3)
            lung = lung * (1 - canvas.ellipse(side * 0.40, -0.12, 0.36 * dome, 0.42 * dome, 2.0))
        total = np.maximum(total, lung)
    return total


def _draw_lesions(
    canvas: _Canvas, lungs: np.ndarray, lesions: np.ndarray, z: float, grain: np.random.Generator
) -> None:
    ragged = _noise(canvas.hu.shape[0], canvas.hu.shape[0] / 28, grain)
    for x, y, height, rx, ry, rz, density in lesions:
        away = (z - height) / rz
        if abs(away) < 1.6:
            shape = ((canvas.x - x) / rx) ** 2 + ((canvas.y - y) / ry) ** 2 + away**2 + 0.3 * ragged
            coverage = lungs / (1 + np.exp(np.clip(6 * (shape - 0.8), -30, 30)))
            canvas.paint(coverage * min(1.0, 0.35 + 0.5 * density), GLASS + 230 * (density - 0.8))


def _draw_vessels(canvas: _Canvas, lungs: np.ndarray, vessels: np.ndarray, z: float) -> None:
    """Cut each branch with the slice: a short capsule from where it enters the slab to where it leaves."""
    half = 0.022
    crossing = (np.minimum(vessels[:, 2], vessels[:, 5]) < z + half) & (
        np.maximum(vessels[:, 2], vessels[:, 5]) > z - half
    )
    for x0, y0, z0, x1, y1, z1, radius in vessels[crossing]:
        low, high = sorted(((z - half - z0) / (z1 - z0 + 1e-6), (z + half - z0) / (z1 - z0 + 1e-6)))
        low, high = max(0.0, low), min(1.0, high)
        if low >= high:
            continue
        start = np.array([x0 + low * (x1 - x0), y0 + low * (y1 - y0)])
        step = np.array([(high - low) * (x1 - x0), (high - low) * (y1 - y0)])
        along = ((canvas.x - start[0]) * step[0] + (canvas.y - start[1]) * step[1]) / (step @ step + 1e-9)
        along = np.clip(along, 0, 1)
        distance = np.hypot(canvas.x - start[0] - along * step[0], canvas.y - start[1] - along * step[1])
        coverage = np.clip((radius - distance) / canvas.soft + 0.5, 0, 1)
        canvas.paint(coverage * lungs, BLOOD - 60)


def _draw_mediastinum(canvas: _Canvas, body: _Anatomy, z: float) -> None:
    canvas.paint(canvas.ellipse(0, -0.02, 0.11 + 0.05 * min(1, z / 0.4), 0.42, 2.6), FAT + 75)
    if z > 0.36:
        fade = np.sqrt(np.clip((z - 0.36) / 0.16, 0, 1)) * np.sqrt(np.clip((1.12 - z) / 0.3, 0, 1))
        rx, ry = 0.34 * body.heart * fade, 0.27 * body.heart * fade
        canvas.paint(canvas.ellipse(0.10, -0.16, rx * 1.05, ry * 1.05, 2.1), FAT + 60)
        canvas.paint(canvas.ellipse(0.10, -0.16, rx, ry, 2.1), BLOOD)
    if z < 0.40:
        canvas.paint(canvas.ellipse(-0.10, -0.18, 0.075, 0.085), BLOOD)
        canvas.paint(canvas.ellipse(0.06, -0.16, 0.10, 0.085), BLOOD)
    if 0.34 < z < 0.50:
        canvas.paint(canvas.ellipse(0.04, -0.06, 0.23, 0.085), BLOOD)
    canvas.paint(canvas.ellipse(0.13, 0.20, 0.075, 0.075), BLOOD + 10)
    canvas.paint(canvas.ellipse(0.03, 0.14, 0.035, 0.028), MUSCLE - 20)
    _draw_airways(canvas, z)
    if z > body.diaphragm - 0.04:
        size = min(1.0, (z - body.diaphragm + 0.04) / 0.2)
        canvas.paint(canvas.ellipse(-0.34, -0.12, 0.33 * size, 0.36 * size), BLOOD + 5)


def _draw_airways(canvas: _Canvas, z: float) -> None:
    if z < 0.38:
        canvas.paint(canvas.ellipse(0, 0.03, 0.066, 0.066), MUSCLE)
        canvas.paint(canvas.ellipse(0, 0.03, 0.052, 0.054), AIR + 20)
    elif z < 0.56:
        spread = 0.05 + 0.55 * (z - 0.38)
        for side in (-1.0, 1.0):
            canvas.paint(canvas.ellipse(side * spread, 0.04, 0.052, 0.042), MUSCLE)
            canvas.paint(canvas.ellipse(side * spread, 0.04, 0.039, 0.031), AIR + 30)


def _draw_bones(canvas: _Canvas, body: _Anatomy, z: float) -> None:
    canvas.paint(canvas.ellipse(0, 0.37, 0.135, 0.115, 2.2), BONE)
    canvas.paint(canvas.ellipse(0, 0.37, 0.112, 0.093, 2.2), MARROW)
    canvas.paint(canvas.ellipse(0, 0.515, 0.062, 0.05), BONE)
    canvas.paint(canvas.ellipse(0, 0.515, 0.046, 0.036), 25.0)
    canvas.paint(canvas.ellipse(0, 0.58, 0.022, 0.05), BONE)
    for side in (-1.0, 1.0):
        canvas.paint(canvas.ellipse(side * 0.15, 0.52, 0.09, 0.026), BONE - 80)
    canvas.paint(canvas.ellipse(0, -0.50 * body.depth / 0.62, 0.11, 0.034, 2.6), BONE - 150)
    canvas.paint(canvas.ellipse(0, -0.50 * body.depth / 0.62, 0.092, 0.020, 2.6), MARROW)
    _draw_ribs(canvas, body, z)


def _draw_ribs(canvas: _Canvas, body: _Anatomy, z: float) -> None:
    """Ribs run obliquely, so a slice cuts each as a short arc that moves along the wall from slice to slice."""
    grow = 0.86 + 0.14 * min(1.0, z / 0.35)
    rx, ry = body.width * 0.845 * grow, body.depth * 0.83
    angle = np.arctan2((canvas.y - 0.02) / ry, np.abs(canvas.x) / rx)
    radius = np.hypot(canvas.x / rx, (canvas.y - 0.02) / ry)
    shell = np.clip((0.045 - np.abs(radius - 0.975)) / 0.02, 0, 1)
    for number in range(6):
        centre = -1.15 + 0.48 * number + 0.48 * ((z * 7.3) % 1.0)
        arc = np.clip((0.145 - np.abs(angle - centre)) / 0.03, 0, 1)
        core = np.clip((0.10 - np.abs(angle - centre)) / 0.03, 0, 1)
        canvas.paint(shell * arc, BONE - 60)
        canvas.paint(np.clip(shell * 2 - 1, 0, 1) * core, MARROW)


def _draw_table(canvas: _Canvas) -> None:
    arc = canvas.y - (0.80 - 0.10 * canvas.x**2)
    canvas.paint(np.clip((0.012 - np.abs(arc)) / canvas.soft, 0, 1) * (np.abs(canvas.x) < 0.75), -300.0)


def _noise(size: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Returns smooth Gaussian noise of unit variance."""
    field = _blur(rng.standard_normal((size, size)).astype(np.float32), sigma)
    return field / (field.std() + 1e-6)


def _blur(field: np.ndarray, sigma: float) -> np.ndarray:
    """Applies a Gaussian blur with mirrored borders, by the Fourier transform."""
    pad = int(3 * sigma) + 1
    padded = np.pad(field, pad, mode="reflect")
    fy, fx = np.fft.fftfreq(padded.shape[0]), np.fft.rfftfreq(padded.shape[1])
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (fy[:, None] ** 2 + fx[None, :] ** 2))
    smooth = np.fft.irfft2(np.fft.rfft2(padded) * transfer, s=padded.shape)
    return smooth[pad:-pad, pad:-pad].astype(np.float32)


def _dicom_file(hu: np.ndarray, seed: int, number: int, size: int) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

    def uid(*parts: object) -> UID:
        return generate_uid(entropy_srcs=["ctportal-phantom", *(str(part) for part in parts)])

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid(seed, size, number)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    file.StudyInstanceUID, file.SeriesInstanceUID = uid("study", seed, size), uid("series", seed, size)
    file.FrameOfReferenceUID = uid("frame", seed, size)
    file.PatientName = file.PatientID = file.PatientBirthDate = file.PatientSex = ""
    file.PatientIdentityRemoved, file.DeidentificationMethod = "YES", "Drawn by a program; there is no patient"
    file.Modality, file.Manufacturer = "CT", "ctportal phantom"
    file.BodyPartExamined, file.SeriesDescription = "CHEST", "SYNTHETIC PHANTOM"
    file.StudyDate = file.SeriesDate = datetime.date(2026, 1, 1).strftime("%Y%m%d")
    file.StudyTime, file.AccessionNumber = "120000", ""
    file.InstanceNumber, file.SeriesNumber = number + 1, 1
    spacing = _FIELD_OF_VIEW_MM / size
    file.PixelSpacing, file.SliceThickness = [round(spacing, 6)] * 2, _SPACING_MM
    file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    file.ImagePositionPatient = [-_FIELD_OF_VIEW_MM / 2, -_FIELD_OF_VIEW_MM / 2, round(-_SPACING_MM * number, 3)]
    file.Rows = file.Columns = size
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.RescaleIntercept, file.RescaleSlope, file.RescaleType = -1024, 1, "HU"
    file.WindowCenter, file.WindowWidth = -600, 1500
    file.PixelData = np.clip(np.round(hu) + 1024, 0, 4095).astype("<u2").tobytes()
    out = io.BytesIO()
    file.save_as(out, enforce_file_format=True)
    return out.getvalue()
