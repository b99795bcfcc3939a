"""Pictures that are no chest CT, to test suitability: drawn here, or photographs that scikit-learn brings along."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw

from ml.images.phantom import phantom_series

SIDE = 256


def foreign_views(count: int, *, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Yield `(kind, view)`; uint8 `(H, W)`, every kind in turn."""
    kinds = list(_KINDS.items())
    for number in range(count):
        name, draw = kinds[number % len(kinds)]
        yield name, draw(np.random.default_rng([seed, number]))


def _black(rng: np.random.Generator) -> np.ndarray:
    return np.full((SIDE, SIDE), int(rng.integers(0, 3)), np.uint8)


def _even(rng: np.random.Generator) -> np.ndarray:
    return np.full((SIDE, SIDE), int(rng.integers(60, 256)), np.uint8)


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)


def _clouds(rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls with frequency, as in natural scenes."""
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    spectrum = (rng.standard_normal((SIDE, SIDE)) + 1j * rng.standard_normal((SIDE, SIDE))) / (f + 1 / SIDE)
    field = np.fft.ifft2(spectrum).real
    return (255 * (field - field.min()) / np.ptp(field)).astype(np.uint8)


def _page(rng: np.random.Generator) -> np.ndarray:
    """Draws a page of text."""
    dark = bool(rng.random() < 0.3)
    image = Image.new("L", (SIDE, int(rng.integers(200, 340))), 10 if dark else 250)
    draw = ImageDraw.Draw(image)
    size = int(rng.integers(9, 20))
    for y in range(8, image.height - size, int(size * 1.5)):
        letters = rng.integers(97, 123, 40)
        line = "".join(chr(c) if rng.random() > 0.18 else " " for c in letters)
        draw.text((10, y), line[: int(rng.integers(12, 40))], fill=235 if dark else 15, font_size=size)
    return np.asarray(image)


def _shapes(rng: np.random.Generator) -> np.ndarray:
    image = Image.new("L", (SIDE, SIDE), int(rng.integers(0, 256)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 14))):
        a, b = np.sort(rng.integers(0, SIDE, (2, 2)), axis=0)
        box = [int(a[0]), int(a[1]), int(b[0]) + 1, int(b[1]) + 1]
        (draw.rectangle if rng.random() < 0.5 else draw.ellipse)(box, fill=int(rng.integers(0, 256)))
    return np.asarray(image)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 60)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    return np.asarray(127 + 127 * (np.sign(wave) if rng.random() < 0.5 else wave)).astype(np.uint8)


def _radiograph(rng: np.random.Generator) -> np.ndarray:
    """Draws a chest radiograph: the phantom's attenuation summed from front to back."""
    volume = phantom_series(int(rng.integers(1, 1000)), 32, 64)
    thickness = np.clip(volume + 1000, 0, None).sum(axis=1)
    picture = 1 - np.exp(-thickness / (np.quantile(thickness, 0.9) * rng.uniform(0.5, 1.0)))
    image = Image.fromarray(np.uint8(255 * picture / picture.max()))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _head(rng: np.random.Generator) -> np.ndarray:
    """Draws a head CT: a bright skull around even brain with ventricles."""
    return _body(rng, [(0.78, 0.95, 255), (0.72, 0.89, 110), (0.10, 0.28, 70), (0.05, 0.15, 90)])


def _abdomen(rng: np.random.Generator) -> np.ndarray:
    """Draws an abdomen CT in a soft-tissue window: no lungs."""
    view = _body(rng, [(0.95, 0.72, 60), (0.88, 0.65, 120), (0.20, 0.20, 150), (0.10, 0.10, 230)])
    image = Image.fromarray(view)
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        x, y, r = rng.integers(60, 196), rng.integers(80, 176), rng.integers(8, 34)
        draw.ellipse([int(x - r), int(y - r), int(x + r), int(y + r)], fill=int(rng.integers(95, 190)))
    return np.asarray(image)


def _body(rng: np.random.Generator, shells: list[tuple[float, float, int]]) -> np.ndarray:
    axis = np.linspace(-1, 1, SIDE)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    view = np.zeros((SIDE, SIDE))
    for rx, ry, level in shells:
        inside = (x / (rx * rng.uniform(0.9, 1.0))) ** 2 + (y / (ry * rng.uniform(0.9, 1.0))) ** 2 < 1
        view[inside] = level
    return np.clip(view + rng.normal(0, 6, view.shape), 0, 255).astype(np.uint8)


def _photograph(rng: np.random.Generator) -> np.ndarray:
    """Cuts a part from one of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    photo = np.asarray(Image.fromarray(photos[int(rng.integers(len(photos)))]).convert("L"))
    side = int(rng.integers(160, 420))
    top, left = int(rng.integers(0, photo.shape[0] - side + 1)), int(rng.integers(0, photo.shape[1] - side + 1))
    return np.ascontiguousarray(photo[top : top + side, left : left + side])


_KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "black": _black,
    "even grey": _even,
    "noise": _noise,
    "clouds": _clouds,
    "text": _page,
    "shapes": _shapes,
    "stripes": _stripes,
    "radiograph": _radiograph,
    "head CT": _head,
    "abdomen CT": _abdomen,
    "photograph": _photograph,
}
