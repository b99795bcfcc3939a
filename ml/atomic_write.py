"""Files that appear whole or not at all: a kill leaves the old one, the new one, or none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Gives a path to write to; what is there at the end of the block takes the file's place.

    Args:
        path: the file; its folder is made where there is none.
        shared: other processes may write the same file at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial" if shared else f"{path.name}.partial")
    yield partial
    os.replace(partial, path)


def write_json(path: Path, value: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Raises ValueError for numbers that JSON does not know."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, allow_nan=False, indent=indent) + "\n")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, shared: bool = False) -> None:
    """Writes an uncompressed .npz archive."""
    with replacing(path, shared=shared) as partial, partial.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]
