"""From stored slices to what an engine reads, and from its maps to what is stored."""

import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from django.core.files.storage import FileSystemStorage, Storage
from PIL import Image

from cases.models import Scan, Slice
from inference.errors import Interrupted, PermanentError, RetriableError, StorageAway
from ml.images.decoding import ImageError, decode_raster
from ml.model.drift_reference import describe_view, mean_description

logger = logging.getLogger(__name__)

STORAGE_AWAY = "The stored images cannot be read just now."
SEND_AGAIN = "Withdraw this scan and upload it again."


class Views(Sequence[np.ndarray]):
    """A scan's views, uint8 `(H, W)` each; reading them on is refused once the process is to stop."""

    def __init__(self, views: Sequence[np.ndarray], *, stop: Callable[[], bool]) -> None:
        self._views = views
        self._stop = stop

    def __len__(self) -> int:
        return len(self._views)

    @overload
    def __getitem__(self, at: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, at: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if self._stop():
            raise Interrupted
        return self._views[at]


def read_views(scan: Scan, slices: Sequence[Slice], *, stop: Callable[[], bool]) -> Views:
    """Decodes the stored views in anatomical order.

    Raises PermanentError, RetriableError or StorageAway, and Interrupted once the process is to stop.
    """
    if len(slices) != scan.slice_count:
        raise PermanentError(f"{scan} lacks slices ({len(slices)} of {scan.slice_count}). {SEND_AGAIN}")
    views = []
    for slice_ in slices:
        if stop():
            raise Interrupted
        views.append(_decode(slice_))
    return Views(views, stop=stop)


def _decode(slice_: Slice) -> np.ndarray:
    try:
        with slice_.view.storage.open(str(slice_.view.name), "rb") as file:
            return decode_raster(file.read())
    except ImageError as error:
        raise PermanentError(f"{slice_} cannot be read. {error.problem} {SEND_AGAIN}") from error
    except FileNotFoundError as error:
        if _is_away(slice_.view.storage):
            raise StorageAway(STORAGE_AWAY) from error
        raise PermanentError(f"{slice_} is missing from the store. {SEND_AGAIN}") from error
    except OSError as error:
        raise RetriableError(STORAGE_AWAY) from error


def _is_away(storage: Storage) -> bool:
    """A folder that is not mounted misses every file; that is no fault of the scan."""
    return isinstance(storage, FileSystemStorage) and not Path(storage.path("scans")).is_dir()


def describe_views(views: Views) -> dict[str, float] | None:
    """What monitoring compares with the training set. It is no part of the answer and never stands in its way."""
    try:
        return mean_description(describe_view(view) for view in views)
    except (ValueError, ArithmeticError):
        logger.warning("The views of a scan cannot be described", exc_info=True)
        return None


def map_png(map_: np.ndarray) -> bytes:
    """A class-activation map, uint8 `(h, w)`, as a small grey PNG."""
    if map_.ndim != 2 or map_.dtype != np.uint8:
        raise ValueError(f"A map is uint8 (h, w). Received: {map_.dtype} {map_.shape}")
    out = io.BytesIO()
    Image.fromarray(map_).save(out, format="PNG", optimize=True)
    return out.getvalue()
