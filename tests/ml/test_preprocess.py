"""Tests the steps from a view to the network's input and back."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ml.images.decoding import lung_window
from ml.images.dicom import to_views
from ml.images.perturb import framed, overlaid, windowed
from ml.images.phantom import phantom_dicom, phantom_series
from ml.images.preprocess import Framing, Preprocessing, attention, prepare, register
from tests.ml.conftest import phantom_view

SETTINGS = Preprocessing(height=96, width=128)


def test_the_input_has_the_size_and_range_that_the_settings_say() -> None:
    prepared = prepare(phantom_view(size=160), SETTINGS)
    assert prepared.pixels.shape == prepared.lungs.shape == (96, 128)
    assert prepared.pixels.dtype == prepared.lungs.dtype == np.uint8
    assert prepared.framing.lungs_found
    assert 0.05 < prepared.lung_share < 0.6


def test_dicom_and_png_of_one_slice_give_the_same_input() -> None:
    dicom = phantom_dicom(5, 3, 128)[1]
    hu = np.round(phantom_series(5, 3, 128)[1])
    out = io.BytesIO()
    Image.fromarray(lung_window(hu)).save(out, "PNG")
    from_dicom, from_png = (prepare(to_views(data)[0], SETTINGS) for data in (dicom, out.getvalue()))
    assert np.array_equal(from_dicom.pixels, from_png.pixels)
    assert np.array_equal(from_dicom.lungs, from_png.lungs)


def test_a_frame_around_the_picture_drops_out() -> None:
    view = phantom_view(size=192)
    plain, bordered = prepare(view, SETTINGS).pixels, prepare(framed(view), SETTINGS).pixels
    assert np.abs(plain.astype(int) - bordered).mean() < 14


def test_burnt_in_text_drops_out() -> None:
    view = phantom_view(size=192)
    plain, written = prepare(view, SETTINGS).pixels, prepare(overlaid(view), SETTINGS).pixels
    assert np.abs(plain.astype(int) - written).mean() < 4


def test_another_window_gives_nearly_the_same_levels() -> None:
    view = phantom_view(size=192)
    other = windowed(view, 0.0, 0.7)
    as_is = replace(SETTINGS, levels="as_is")
    raw = np.abs(prepare(view, as_is).pixels.astype(int) - prepare(other, as_is).pixels).mean()
    anchored = np.abs(prepare(view, SETTINGS).pixels.astype(int) - prepare(other, SETTINGS).pixels).mean()
    assert anchored < raw / 3


def test_proportions_are_kept_when_asked() -> None:
    framing = prepare(phantom_view(size=160), replace(SETTINGS, keep_aspect=True)).framing
    top, left, bottom, right = framing.box
    assert (right - left) / (bottom - top) == pytest.approx(128 / 96, rel=1e-6)


@pytest.mark.parametrize("level", [0, 255])
def test_an_even_picture_passes_without_lungs(level: int) -> None:
    prepared = prepare(np.full((64, 80), level, np.uint8), SETTINGS)
    assert not prepared.framing.lungs_found
    assert (prepared.lungs == 255).all()


@pytest.mark.parametrize("view", [np.zeros((8, 8), np.uint8), np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64))])
def test_what_is_no_view_is_refused_by_name(view: np.ndarray) -> None:
    with pytest.raises(ValueError, match="A view is uint8"):
        prepare(view, SETTINGS)


def test_attention_sums_to_one_and_stays_in_the_lungs() -> None:
    prepared = prepare(phantom_view(size=160), SETTINGS)
    share = attention(prepared.lungs[None], (6, 8), SETTINGS)
    assert share.sum() == pytest.approx(1, abs=1e-5)
    cells = prepared.lungs.reshape(6, 16, 8, 16).mean(axis=(1, 3))
    assert share[0][cells == 0].max() < share[0][cells > 128].min()
    even = attention(prepared.lungs[None], (6, 8), replace(SETTINGS, pooling="everything"))
    assert np.allclose(even, 1 / 48)


def test_a_map_of_the_input_lands_on_its_place_in_the_view() -> None:
    framing = Framing((200, 300), (50.0, 100.0, 150.0, 300.0), True)
    map_ = np.zeros((4, 8))
    map_[1, 2] = 1.0  # centre at 3/8 of the height and 5/16 of the width of the box
    shown = register(map_, framing, long_side=60)
    assert shown.shape == (40, 60)
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    assert (row + 0.5) / 40 * 200 == pytest.approx(50 + 100 * 3 / 8, abs=5)
    assert (column + 0.5) / 60 * 300 == pytest.approx(100 + 200 * 5 / 16, abs=5)
    assert shown[:9].max() == shown[:, :19].max() == 0
