"""Describes in numbers how a picture was made: window, sharpness, compression. They tell data sets apart."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_GREYS = 32
_BANDS = 17
_BLOCK = 8  # of JPEG
STATISTICS = _GREYS + _BANDS + 6


def acquisition(view: np.ndarray) -> np.ndarray:
    """Returns statistics of one view, float32 `(55,)`.

    In order: shares of 32 grey levels; logarithm of the mean amplitude in 17 bands of spatial frequency, from none to
    half a cycle per pixel and beyond; how much steeper the steps at the borders of 8×8 blocks are than all steps,
    across and down; shares of black and of white pixels; mean and standard deviation of the grey levels.

    Args:
        view: uint8 `(H, W)`, 0–255, at least 16×16.
    """
    height, width = (side // _BLOCK * _BLOCK for side in view.shape)
    grey = view[:height, :width].astype(np.float32)
    levels = np.bincount((view[:height, :width] // (256 // _GREYS)).ravel(), minlength=_GREYS) / grey.size
    amplitude = np.abs(np.fft.rfft2(grey - grey.mean()))
    band, sizes = _bands(height, width)
    spectrum = np.log1p(np.bincount(band, amplitude.ravel(), _BANDS) / np.maximum(1, sizes))
    across, down = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    blocks = [_ratio(across[:, _BLOCK - 1 :: _BLOCK], across), _ratio(down[_BLOCK - 1 :: _BLOCK], down)]
    rest = [(grey == 0).mean(), (grey == 255).mean(), grey.mean(), grey.std()]
    return np.concatenate([levels, spectrum, blocks, rest]).astype(np.float32)


@lru_cache(maxsize=32)
def _bands(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The band of each coefficient of `rfft2`, flat, and how many each band has."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    band = np.minimum((frequency * 2 * (_BANDS - 1)).astype(int), _BANDS - 1).ravel()
    return band, np.bincount(band, minlength=_BANDS)


def _ratio(borders: np.ndarray, steps: np.ndarray) -> float:
    return float(borders.mean() / (steps.mean() + 1e-3))
