"""Changes to a view that must not change its answer: for the robustness table and for augmented features."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Change = Callable[[np.ndarray], np.ndarray]


def rotated(view: np.ndarray, degrees: float = 10.0) -> np.ndarray:
    """Turns around the centre; corners take the border's median."""
    fill = int(np.median(np.concatenate([view[0], view[-1], view[:, 0], view[:, -1]])))
    return np.asarray(Image.fromarray(view).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=fill))


def windowed(view: np.ndarray, brightness: float = 0.0, contrast: float = 1.25) -> np.ndarray:
    """Changes it as if shown in another window: grey levels stretched around the middle and shifted (both 0–255)."""
    return np.clip((view.astype(np.float32) - 128) * contrast + 128 + brightness, 0, 255).astype(np.uint8)


def gamma_corrected(view: np.ndarray, gamma: float = 1.3) -> np.ndarray:
    return np.round(255 * (view / 255.0) ** gamma).astype(np.uint8)


def jpeg(view: np.ndarray, quality: int = 30) -> np.ndarray:
    """Sends it through JPEG and back."""
    out = io.BytesIO()
    Image.fromarray(view).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(out.getvalue())).convert("L"))


def at_half_resolution(view: np.ndarray) -> np.ndarray:
    image = Image.fromarray(view)
    small = image.resize((max(16, image.width // 2), max(16, image.height // 2)), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


def noisy(view: np.ndarray, sigma: float = 10.0) -> np.ndarray:
    """Gaussian noise that follows from the view itself, so that it is the same every time."""
    seed = int.from_bytes(hashlib.sha256(view.tobytes()).digest()[:8], "little")
    noise = np.random.default_rng(seed).normal(0, sigma, view.shape)
    return np.clip(view + noise, 0, 255).astype(np.uint8)


def blurred(view: np.ndarray, radius: float = 1.0) -> np.ndarray:
    return np.asarray(Image.fromarray(view).filter(ImageFilter.GaussianBlur(radius)))


def overlaid(view: np.ndarray, text: str = "SE:3 IM:42 W1500 L-600") -> np.ndarray:
    """Adds burnt-in text in two corners and a scale bar."""
    image = Image.fromarray(view).copy()
    draw = ImageDraw.Draw(image)
    size = max(10, image.height // 16)
    draw.text((4, 4), text, fill=255, font_size=size)
    draw.text((4, image.height - size - 6), "HOSPITAL A  R", fill=255, font_size=size)
    draw.line((image.width - 8, image.height // 3, image.width - 8, 2 * image.height // 3), fill=255, width=2)
    return np.asarray(image)


def cropped(view: np.ndarray, share: float = 0.06) -> np.ndarray:
    """Removes a strip on each side."""
    dy, dx = round(view.shape[0] * share), round(view.shape[1] * share)
    return np.ascontiguousarray(view[dy : view.shape[0] - dy, dx : view.shape[1] - dx])


def framed(view: np.ndarray, share: float = 0.10) -> np.ndarray:
    """Adds a black frame around it, as in a screenshot."""
    border = ((round(view.shape[0] * share),) * 2, (round(view.shape[1] * share),) * 2)
    return np.pad(view, border)


def mirrored(view: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(view[:, ::-1])


ROBUSTNESS: dict[str, Change] = {
    "rotated by 10°": rotated,
    "contrast × 1.25": windowed,
    "contrast × 0.75, brighter by 20": lambda view: windowed(view, 20.0, 0.75),
    "gamma 1.3": gamma_corrected,
    "JPEG at quality 30": jpeg,
    "half resolution": at_half_resolution,
    "noise of 10 grey levels": noisy,
    "burnt-in text": overlaid,
    "cropped by 6 % a side": cropped,
    "black frame of 10 %": framed,
}


def variant(number: int, seed: int) -> Change:
    """A random mixture of small changes; it follows from its number and the seed, and from the view's content."""

    def change(view: np.ndarray) -> np.ndarray:
        content = int.from_bytes(hashlib.sha256(view.tobytes()).digest()[:8], "little")
        rng = np.random.default_rng([seed, number, content])
        if rng.random() < 0.5:
            view = mirrored(view)
        view = rotated(view, rng.uniform(-10, 10))
        view = cropped(view, rng.uniform(0, 0.05))
        view = gamma_corrected(view, float(np.exp(rng.uniform(-0.3, 0.3))))
        view = windowed(view, rng.uniform(-15, 15), float(np.exp(rng.uniform(-0.25, 0.25))))
        extra = rng.integers(0, 5)
        if extra == 0:
            view = jpeg(view, int(rng.integers(25, 80)))
        elif extra == 1:
            view = noisy(view, rng.uniform(2, 12))
        elif extra == 2:
            view = blurred(view, rng.uniform(0.4, 1.4))
        elif extra == 3:
            view = at_half_resolution(view)
        return view

    return change


def variant_name(number: int, seed: int) -> str:
    """What stores call a variant."""
    return f"v{seed}.{number}"
