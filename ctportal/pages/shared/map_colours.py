"""Colours class-activation maps: the stored grey map becomes a picture that is laid over the slice."""

import io
from itertools import pairwise

from PIL import Image

# From nothing over amber to red: distinguished by lightness as well, and visible on black and on white.
STOPS = ((0, (255, 236, 130, 0)), (96, (255, 200, 60, 110)), (176, (255, 110, 30, 190)), (255, (225, 20, 40, 235)))


def _ramp() -> list[tuple[int, int, int, int]]:
    colours = []
    for (start, low), (end, high) in pairwise(STOPS):
        for value in range(start, end):
            share = (value - start) / (end - start)
            colours.append(tuple(round(a + (b - a) * share) for a, b in zip(low, high, strict=True)))
    return [*colours, STOPS[-1][1]]  # type: ignore[list-item]


RAMP = _ramp()
PALETTE = [part for colour in RAMP for part in colour[:3]]
TRANSPARENCY = bytes(colour[3] for colour in RAMP)


def coloured_map(map_png: bytes) -> bytes:
    """Returns a palette PNG of the same size: as small as the grey one, with no pixel computed."""
    with Image.open(io.BytesIO(map_png)) as grey:
        indexed = Image.frombytes("P", grey.size, grey.convert("L").tobytes())
    indexed.putpalette(PALETTE)
    out = io.BytesIO()
    indexed.save(out, "PNG", transparency=TRANSPARENCY)
    return out.getvalue()
