"""Find the whole lungs in a grey view: the air in them and the disease that hides it, without trachea and bowel.

Consolidated lung is as bright as muscle, so a threshold takes it for the body. Here each lung's air, and the specks of
air that even a dense consolidation keeps, are enclosed by their convex hull.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ml.images.lungs import LungMask, find_dark_parts, lung_box, soft_tissue_level

# Grey levels on a scale on which lung air is 0 and soft tissue 1; fat is near 0.85.
_AERATED = 0.72  # below: lung, with ground glass in it
_SPECK = 0.78  # below: air between soft tissue, where a speck is that small
_SMALLEST_SPECK = 3  # pixels of the small picture
_REACH = 0.15  # how far from the lungs' hull a speck may be, as a share of the square root of their area
_MIDDLE = (0.33, 0.67)  # where the trachea is, as a share of the width of both lungs
_SMALL_ORGAN = 0.15  # of the larger lung: a separate part in the middle that is smaller is the trachea or a bronchus
_GAS = 0.5  # a smaller part of even, darker air is gas in stomach or bowel


class _Sides(NamedTuple):
    """Holds the same picture cut between the lungs."""

    left: np.ndarray
    right: np.ndarray


def find_whole_lungs(view: np.ndarray) -> LungMask:
    """Find both lungs with their disease in them.

    Args:
        view: uint8 `(H, W)`, 0–255, air darker than tissue.

    Returns:
        The lungs' hulls without trachea and bowel; what `ml.images.lungs.find_lungs` says where it finds no lungs.
    """
    from scipy import ndimage  # a web process, which reads settings only, has no SciPy

    parts = find_dark_parts(view)
    aerated = LungMask(parts.inside, lung_box(parts.inside, view.shape))
    if aerated.box is None:
        return aerated
    air, tissue = soft_tissue_level(view, aerated)
    level = (parts.small.astype(np.float32) - air) / max(tissue - air, 1.0)
    body = _body(parts.outside)
    hollow = _hollow_organs(parts.inside, level)
    lungs = _grown(parts.inside & ~hollow, level, body)
    if not lungs.any():
        return aerated
    cut = _column_between(lungs)
    specks = _specks(lungs, level, body) & ~ndimage.binary_dilation(hollow, _disk(2))
    whole = np.zeros_like(lungs)
    for lung, near in zip(_sides(lungs, cut), _sides(specks, cut), strict=True):
        whole |= convex_hull(lung | near) if lung.any() else lung
    whole &= ~ndimage.binary_dilation(hollow, _disk(1))
    return LungMask(whole, lung_box(whole, view.shape))


def convex_hull(mask: np.ndarray) -> np.ndarray:
    """Fill the convex hull of a mask's pixels."""
    from scipy.spatial import ConvexHull

    places = np.argwhere(mask)
    if len(places) < 3 or not np.ptp(places, axis=0).all():
        return mask
    corners = places[ConvexHull(places, qhull_options="QJ").vertices]
    picture = Image.new("1", mask.shape[::-1])
    ImageDraw.Draw(picture).polygon([(int(x), int(y)) for y, x in corners], fill=1, outline=1)
    return np.asarray(picture) | mask


def _hollow_organs(inside: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Finds trachea and bronchi in the middle between the lungs, and gas in stomach and bowel: parts apart from the
    lungs.
    """
    from scipy import ndimage

    labels, count = ndimage.label(inside)
    found = np.zeros_like(inside)
    if count < 2:
        return found
    sizes = ndimage.sum_labels(inside, labels, range(1, count + 1))
    columns = np.flatnonzero(inside.any(axis=0))
    first, width = columns[0], max(1, columns[-1] - columns[0])
    main = labels == 1 + int(np.argmax(sizes))
    texture = float(level[ndimage.binary_erosion(main, iterations=2)].std()) if sizes.max() > 50 else 0.0
    for number, size in enumerate(sizes, start=1):
        part = labels == number
        centre = (ndimage.center_of_mass(part)[1] - first) / width
        tube = size < _SMALL_ORGAN * sizes.max() and _MIDDLE[0] < centre < _MIDDLE[1]
        core = ndimage.binary_erosion(part, iterations=2)
        even = (
            core.sum() > 20 and level[core].std() < 0.25 * texture and np.median(level[core]) < np.median(level[main])
        )
        if tube or (size < _GAS * sizes.max() and even):
            found |= part
    return found


def _body(outside: np.ndarray) -> np.ndarray:
    """The body without its skin, and without the table and whatever else is in the air around it."""
    from scipy import ndimage

    rim = 10
    solid = np.pad(~outside, rim, mode="edge")
    labels, count = ndimage.label(ndimage.binary_opening(solid, _disk(5)))
    if not count:
        return ~outside
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return ndimage.binary_erosion(largest, _disk(4), border_value=1)[rim:-rim, rim:-rim]


def _grown(lungs: np.ndarray, level: np.ndarray, body: np.ndarray) -> np.ndarray:
    """The lungs with the ground glass that touches them."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(level, 1)
    dark = (smooth < _AERATED) & body
    dark = ndimage.binary_opening(np.pad(dark, 4, mode="edge"), _disk(2))[4:-4, 4:-4]
    labels, _ = ndimage.label(dark | lungs)
    kept = np.unique(labels[lungs])
    return np.isin(labels, kept[kept > 0]) & ~_hollow_organs(dark | lungs, level)


def _specks(lungs: np.ndarray, level: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Finds specks of air near the lungs, such as bronchi in consolidated lung."""
    from scipy import ndimage

    dark = (ndimage.gaussian_filter(level, 0.5) < _SPECK) & body
    labels, _ = ndimage.label(dark)
    large = np.bincount(labels.ravel()) >= _SMALLEST_SPECK
    large[0] = False
    distance = ndimage.distance_transform_edt(~convex_hull(lungs))
    return large[labels] & (distance <= _REACH * np.sqrt(lungs.sum()))


def _column_between(lungs: np.ndarray) -> int:
    """The column in the middle third where there is least lung."""
    columns = np.flatnonzero(lungs.any(axis=0))
    first, width = columns[0], columns[-1] - columns[0] + 1
    start = first + int(0.35 * width)
    thickness = lungs[:, start : first + int(0.65 * width) + 1].sum(axis=0)
    thinnest = np.flatnonzero(thickness == thickness.min())
    return int(start + thinnest[len(thinnest) // 2])


def _sides(mask: np.ndarray, cut: int) -> _Sides:
    columns = np.arange(mask.shape[1])
    return _Sides(mask & (columns < cut), mask & (columns > cut))


def _disk(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius
