"""A picture's answer from its cells: each cell of the network's map is judged, and the highest in the lungs count.

A lesion looks alike in any hospital, a whole picture does not. A head that judges cells therefore travels further than
one that judges pooled features, and its map shows what it saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ml.atomic_write import replacing
from ml.model.head import LinearHead

_IN_LUNGS = 0.25  # of a cell's area: below, it is no cell of the lungs
_FEWEST = 8  # cells: with fewer in the lungs, all cells count
_SMOOTHING = 0.7  # standard deviation of the map's smoothing, in cells
_CHUNK = 64


def covered(lungs: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Which part of each cell is lung, float32 `(N, h, w)`, from masks uint8 `(N, height, width)`, 255 in the lungs."""
    rows, columns = grid
    cells = lungs.reshape(len(lungs), rows, lungs.shape[1] // rows, columns, lungs.shape[2] // columns)
    return cells.mean(axis=(2, 4), dtype=np.float32) / np.float32(255)


def in_lungs(cover: np.ndarray) -> np.ndarray:
    """Returns which cells count, bool of the shape of `cover` `(N, h, w)`."""
    inside = cover >= _IN_LUNGS
    few = inside.sum(axis=(1, 2)) < _FEWEST
    return inside | few[:, None, None]


def smoothed(maps: np.ndarray) -> np.ndarray:
    """Maps `(N, h, w)`, each cell a weighted mean of its neighbourhood."""
    from scipy import ndimage  # a web process, which reads settings only, has no SciPy

    return np.asarray(ndimage.gaussian_filter(maps, (0, _SMOOTHING, _SMOOTHING)))


def top_means(maps: np.ndarray, inside: np.ndarray, top: float) -> np.ndarray:
    """Returns each picture's logit `(N,)`: the mean of its highest cells.

    Args:
        maps: float `(N, h, w)`, the cells' logits.
        inside: bool `(N, h, w)`, the cells that count.
        top: the share of them that makes the mean, 0–1; at least three do.
    """
    logits = np.empty(len(maps))
    for number, (map_, counted) in enumerate(zip(maps, inside, strict=True)):
        values = np.sort(map_[counted])
        logits[number] = values[-max(3, round(top * len(values))) :].mean()
    return logits


class Cells:
    """The cells of pictures, in memory or in files: float16 `(h, w, C + 1)` each, how far a cell is lung last."""

    def __init__(self, held: Sequence[np.ndarray | Path]) -> None:
        self._held = list(held)

    def __len__(self) -> int:
        return len(self._held)

    def take(self, rows: np.ndarray) -> Cells:
        return Cells([self._held[int(row)] for row in rows])

    def of(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns one picture's cells, float16 `(h, w, C)`, and which of them count, bool `(h, w)`."""
        whole = self.whole(number)
        return whole[..., :-1], in_lungs(whole[None, ..., -1].astype(np.float32))[0]

    def whole(self, number: int) -> np.ndarray:
        """One picture's cells as they are held, float16 `(h, w, C + 1)`."""
        held = self._held[number]
        return np.load(held, allow_pickle=False) if isinstance(held, Path) else held

    def keep(self, number: int, path: Path) -> Path:
        """Write one picture's cells to a file; returns its path."""
        with replacing(path, shared=True) as partial, partial.open("wb") as out:
            np.save(out, self.whole(number), allow_pickle=False)
        return path

    def maps(self, head: LinearHead) -> np.ndarray:
        """Returns the cells' logits, float32 `(N, h, w)`."""
        kernel = np.append(head.kernel, 0.0).astype(np.float32)
        parts = [chunk.astype(np.float32) @ kernel + np.float32(head.bias) for chunk in self._chunks()]
        return np.concatenate(parts)

    def inside(self) -> np.ndarray:
        """Returns which cells count, bool `(N, h, w)`."""
        return in_lungs(np.concatenate([chunk[..., -1].astype(np.float32) for chunk in self._chunks()]))

    def logits(self, head: LinearHead, top: float) -> np.ndarray:
        """Returns each picture's logit `(N,)`."""
        return top_means(smoothed(self.maps(head)), self.inside(), top)

    def _chunks(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), _CHUNK):
            yield np.stack([self.whole(number) for number in range(start, min(start + _CHUNK, len(self)))])
