"""From stored slices to what an engine reads, and from its maps to what is stored."""

import io
import logging
from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from PIL import Image

from cases.models import Scan, Slice
from cases.storage import read_view
from cases.upload_errors import SEND_AGAIN, PictureLost, StoreAway
from inference.errors import Interrupted, PermanentError, RetriableError, StorageAway
from ml.images.decoding import ImageError, decode_raster, view_digest
from ml.model.drift_reference import describe_view, mean_description

logger = logging.getLogger(__name__)

MOST_KEPT_PIXELS = 128_000_000
KEY_OF_VIEW = len("sha256:") + 64
STORAGE_AWAY = gettext_lazy("The stored images cannot be read just now.")


class Views(Sequence[np.ndarray]):
    """A scan's views, uint8 `(H, W)` each, in anatomical order; reading them on is refused once the process is to stop.

    Those of an ordinary scan are decoded once. Those of a scan of more than `MOST_KEPT_PIXELS` are decoded each time
    that they are asked for, so that however long it is, only what the engine works on is in memory.
    """

    def __init__(self, slices: Sequence[Slice], *, stop: Callable[[], bool]) -> None:
        self._slices = slices
        self._stop = stop
        self.are_kept = sum(slice_.width * slice_.height for slice_ in slices) <= MOST_KEPT_PIXELS
        self._kept: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._slices)

    @overload
    def __getitem__(self, at: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, at: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        if self._stop():
            raise Interrupted
        at = range(len(self))[at]
        view = self._kept.get(at)
        if view is None:
            view = _decode(self._slices[at])
            if self.are_kept:
                self._kept[at] = view
        return view


def read_views(scan: Scan, slices: Sequence[Slice], *, stop: Callable[[], bool]) -> Views:
    """The stored views in anatomical order; those of an ordinary scan are decoded now.

    Raises PermanentError, RetriableError or StorageAway, and Interrupted once the process is to stop.
    """
    if len(slices) != scan.slice_count:
        raise PermanentError(
            _joined(
                _("%(scan)s lacks slices (%(slices)s of %(slice_count)s).")
                % {"scan": scan, "slices": len(slices), "slice_count": scan.slice_count},
                SEND_AGAIN,
            )
        )
    views = Views(slices, stop=stop)
    if views.are_kept:
        for _view in views:
            pass
    return views


def _decode(slice_: Slice) -> np.ndarray:
    try:
        view = decode_raster(read_view(slice_))
    except ImageError as error:
        raise PermanentError(
            _joined(_("%(slice)s cannot be read.") % {"slice": slice_}, error.problem, SEND_AGAIN)
        ) from error
    except PictureLost as error:
        raise PermanentError(str(error)) from error
    except StoreAway as error:
        is_missing = error.__cause__ is None
        raise (StorageAway if is_missing else RetriableError)(STORAGE_AWAY) from error
    if slice_.key.startswith("sha256:") and len(slice_.key) == KEY_OF_VIEW and not slice_.view_sha256:
        _require_key(slice_, view)
    return view


def _require_key(slice_: Slice, view: np.ndarray) -> None:
    """Of a slice whose file's digest was not kept, the key says what its view was."""
    if slice_.media_type != "application/dicom" and slice_.key != f"sha256:{view_digest(view)}":
        raise PermanentError(
            _joined(_("The picture of %(slice)s is damaged in the store.") % {"slice": slice_}, SEND_AGAIN)
        )


def describe_views(views: Views) -> dict[str, float] | None:
    """Describes what monitoring compares with the training set. It is no part of the answer and never delays it
    .
    """
    try:
        return mean_description(describe_view(view) for view in views)
    except (ValueError, ArithmeticError):
        logger.warning("The views of a scan cannot be described", exc_info=True)
        return None


def map_png(map_: np.ndarray) -> bytes:
    """Writes a class-activation map, uint8 `(h, w)`, as a small grey PNG."""
    if map_.ndim != 2 or map_.dtype != np.uint8:
        raise ValueError(f"A map is uint8 (h, w). Received: {map_.dtype} {map_.shape}")
    out = io.BytesIO()
    Image.fromarray(map_).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _joined(*sentences: object) -> str:
    return " ".join(map(str, sentences))
