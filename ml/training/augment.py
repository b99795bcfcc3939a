"""Augments inside the graph: one Keras layer, any backend, repeatable by seed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ml.model.resnet import restart_noise

# The luminance table of JPEG (ITU-T T.81, annex K), which quality then scales.
_JPEG_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)


@keras.saving.register_keras_serializable("ctportal")
class Augmentation(keras.layers.Layer):
    """Changes what keeps the label: where the picture is, how it was windowed, how it was stored,
    what is hidden.

    Args:
        strength: 0 (nothing) to 1 (rotation by 15°, scale by 15 %, gamma 0.67–1.5, and so on).
        mixup: parameter of the Beta distribution, 0 for none.
        seed: of all randomness; `restart` sets it anew, so that an epoch is repeatable.
    """

    def __init__(self, strength: float = 0.7, mixup: float = 0.0, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strength, self.mixup, self.first_seed = strength, mixup, seed
        self.noise = keras.random.SeedGenerator(seed)

    def restart(self, seed: int) -> None:
        """Starts the random sequence anew."""
        restart_noise(self.noise, seed)

    def call(self, image: Any, lungs: Any, training: bool = False) -> tuple[Any, Any, Any]:
        """Augment.

        Args:
            image: `(N, H, W, 1)` float32, 0–255.
            lungs: `(N, H, W, 1)` float32, 0–1; moved along with the image.

        Returns:
            image, lungs, and `(N, 1)` how much of each image is its own; the rest is its neighbour in the batch.
        """
        own = keras.ops.ones_like(image[:, 0, 0, :])
        if not training or not self.strength:
            return image, lungs, own
        image, lungs = self._move(image, lungs)
        image = self._window(image)
        image = self._degrade(image)
        image = self._cut_out(image)
        if self.mixup:
            own = keras.random.beta(keras.ops.shape(own), self.mixup, self.mixup, seed=self.noise)
            own = keras.ops.maximum(own, 1 - own)
            share = own[:, :, None, None]
            image = share * image + (1 - share) * keras.ops.roll(image, 1, axis=0)
            lungs = keras.ops.maximum(lungs, keras.ops.roll(lungs, 1, axis=0) * keras.ops.cast(share < 0.99, "float32"))
        return keras.ops.clip(image, 0.0, 255.0), lungs, own

    def _uniform(self, like: Any, low: float, high: float) -> Any:
        """`(N,)` numbers, one for each image."""
        return keras.random.uniform((keras.ops.shape(like)[0],), low, high, seed=self.noise)

    def _each(self, like: Any, low: float, high: float) -> Any:
        return self._uniform(like, low, high)[:, None, None, None]

    def _sometimes(self, changed: Any, image: Any, share: float) -> Any:
        return keras.ops.where(self._each(image, 0.0, 1.0) < share * self.strength, changed, image)

    def _move(self, image: Any, lungs: Any) -> tuple[Any, Any]:
        """Mirror, turn, scale and shift, the same for image and lungs."""
        ops, s = keras.ops, self.strength
        height, width = int(image.shape[1]), int(image.shape[2])
        angle = self._uniform(image, -0.26 * s, 0.26 * s)
        scale = 1 + self._uniform(image, -0.15 * s, 0.15 * s)
        mirror = ops.sign(self._uniform(image, -1.0, 1.0))
        cos, sin = ops.cos(angle) * scale, ops.sin(angle) * scale
        cx, cy = width / 2, height / 2
        a, b, c, d = cos * mirror, -sin, sin * mirror, cos
        shift_x = cx - a * cx - b * cy + self._uniform(image, -0.06 * s, 0.06 * s) * width
        shift_y = cy - c * cx - d * cy + self._uniform(image, -0.06 * s, 0.06 * s) * height
        zero = ops.zeros_like(a)
        transform = ops.stack([a, b, shift_x, c, d, shift_y, zero, zero], axis=1)
        both = ops.concatenate([image, lungs * 255.0], axis=-1)
        both = ops.image.affine_transform(both, transform, "bilinear", "nearest", data_format="channels_last")
        return both[..., :1], both[..., 1:] / 255.0

    def _window(self, image: Any) -> Any:
        """Changes gamma, contrast and brightness."""
        ops, s = keras.ops, self.strength
        gamma = ops.exp(self._each(image, -0.4 * s, 0.4 * s))
        image = 255.0 * ops.power(ops.clip(image / 255.0, 1e-4, 1.0), gamma)
        contrast = ops.exp(self._each(image, -0.3 * s, 0.3 * s))
        return (image - 128.0) * contrast + 128.0 + self._each(image, -20.0 * s, 20.0 * s)

    def _degrade(self, image: Any) -> Any:
        """Adds blur, JPEG artefacts and noise."""
        ops = keras.ops
        image = self._sometimes(_blur(image), image, 0.3)
        if int(image.shape[1]) % 8 == 0 and int(image.shape[2]) % 8 == 0:
            image = self._sometimes(_jpeg(image, self._each(image, 0.5, 2.0)), image, 0.3)
        noise = keras.random.normal(ops.shape(image), seed=self.noise) * self._each(image, 0.0, 14.0 * self.strength)
        return self._sometimes(image + noise, image, 0.5)

    def _cut_out(self, image: Any) -> Any:
        """Hide a rectangle behind the image's own mean."""
        ops = keras.ops
        height, width = int(image.shape[1]), int(image.shape[2])
        y = ops.arange(height, dtype="float32")[None, :, None, None] / height
        x = ops.arange(width, dtype="float32")[None, None, :, None] / width
        hidden = (ops.abs(y - self._each(image, 0.0, 1.0)) < self._each(image, 0.04, 0.15)) & (
            ops.abs(x - self._each(image, 0.0, 1.0)) < self._each(image, 0.04, 0.15)
        )
        covered = ops.where(hidden, ops.mean(image, axis=(1, 2), keepdims=True), image)
        return self._sometimes(covered, image, 0.4)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(), "strength": self.strength, "mixup": self.mixup, "seed": self.first_seed
        }  # fmt: skip


def _blur(image: Any) -> Any:
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32)
    return keras.ops.conv(image, (kernel / kernel.sum())[:, :, None, None], padding="same", data_format="channels_last")


def _jpeg(image: Any, scale: Any) -> Any:
    """Quantise the cosine transform of 8×8 blocks as JPEG does; scale 0.5 is quality 75, 2 is quality 25."""
    ops = keras.ops
    height, width = int(image.shape[1]), int(image.shape[2])
    n = np.arange(8)
    cosine = np.cos((2 * n[None] + 1) * n[:, None] * np.pi / 16) * 0.5
    cosine[0] /= np.sqrt(2)
    cosine = cosine.astype(np.float32)
    blocks = ops.reshape(image - 128.0, (-1, height // 8, 8, width // 8, 8))
    blocks = ops.einsum("ui,naibj,vj->naubv", cosine, blocks, cosine)
    table = _JPEG_TABLE[None, None, :, None, :] * scale[:, :, :, :, None]
    blocks = ops.round(blocks / table) * table
    blocks = ops.einsum("ui,naubv,vj->naibj", cosine, blocks, cosine)
    return ops.reshape(blocks, (-1, height, width, 1)) + 128.0
