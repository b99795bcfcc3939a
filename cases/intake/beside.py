"""Recognises what comes on a disc or in a folder beside a DICOM series: the viewer's own pictures and programs."""

from __future__ import annotations

from collections.abc import Container, Sequence

from cases.intake import refusals
from cases.intake.contents import IncomingSlice, Refusal


def top_folder(name: str) -> str:
    """Returns the archive or outermost folder that a file came in; empty for a loose one."""
    return name.partition("/")[0] if "/" in name else ""


def beside_a_series(
    images: Sequence[tuple[str, IncomingSlice]], folders: Container[str]
) -> tuple[list[tuple[str, IncomingSlice]], list[Refusal]]:
    """Leave out the pictures that came beside a DICOM series, with one refusal for all of a folder.

    Args:
        images: pictures with their names.
        folders: archives and folders that hold DICOM slices.
    """
    aside: dict[str, list[str]] = {}
    kept = []
    for name, image in images:
        if top_folder(name) in folders:
            aside.setdefault(top_folder(name), []).append(name)
        else:
            kept.append((name, image))
    return kept, [Refusal.of(named(names), refusals.beside_a_series(len(names))) for names in aside.values()]


def without_many_words(refused: Sequence[Refusal], *, beside: Container[str]) -> list[Refusal]:
    """Sum up in one line for each folder what came beside a DICOM series and is no picture at all."""
    others: dict[str, list[Refusal]] = {}
    kept = []
    for refusal in refused:
        is_beside = top_folder(refusal.file) in beside
        if is_beside and refusal.code in ("not-an-image", "too-small", "flat", "animated"):
            others.setdefault(top_folder(refusal.file), []).append(refusal)
        else:
            kept.append(refusal)
    for together in others.values():
        names = [refusal.file for refusal in together]
        kept += together if len(together) == 1 else [Refusal.of(named(names), refusals.no_pictures(len(names)))]
    return kept


def named(names: Sequence[str]) -> str:
    """Several names in one line."""
    different = list(dict.fromkeys(names))
    more = f" and {len(different) - 1} more" if len(different) > 1 else ""
    return different[0] + more
