"""The words in which the intake refuses. Codes are stable: the API promises them.

More codes come from `ml.images.decoding`, `ml.images.dicom` and `sniff`, which know why they could not read a file:
`empty`, `truncated`, `damaged`, `not-an-image`, `image-kind`, `animated`, `multi-page`, `flat`,
`too-many-pixels`, `too-many-frames`, `decompression-bomb`, `dicom-no-pixels`, `dicom-compression`,
`dicom-display`, `dicom-frames`, `dicom-lookup-table`, `dicom-number`.
"""

from __future__ import annotations

from pydicom.uid import UID, UID_dictionary

from ml.images.decoding import ImageError

_SPLIT = "Send fewer or smaller files, in several uploads."
_AGAIN = "Make the zip again, or send the folder itself."

_MODALITIES = {
    "MR": "an MR image",
    "PT": "a PET image",
    "US": "an ultrasound image",
    "NM": "a nuclear medicine image",
    "CR": "a plain X-ray",
    "DX": "a plain X-ray",
    "MG": "a mammogram",
    "XA": "an angiogram",
    "RF": "a fluoroscopy",
    "SC": "a screen copy",
    "OT": "of an unnamed kind",
    "SEG": "a segmentation",
    "RTDOSE": "a dose plan",
}


class ArchiveBomb(ImageError):
    """An archive that must not be read any further; nothing that came out of it is kept."""


class UploadExhausted(ImageError):
    """Reading the upload on would cost more than one upload may; nothing of it is kept."""


def upload_exhausted(pixels: int, slices: int, seconds: float) -> UploadExhausted:
    return UploadExhausted(
        "upload-too-large",
        f"The upload holds more than the portal reads at once ({_gigapixels(pixels)}, {slices} slices or "
        f"{seconds:.0f} seconds of decoding); nothing of it was stored.",
        _SPLIT,
    )


def file_exhausts_upload(pixels: int, slices: int) -> ImageError:
    return ImageError(
        "upload-too-large",
        f"The file holds more than the portal reads at once ({_gigapixels(pixels)} or {slices} slices).",
        "Send the series as single slices, in several uploads.",
    )


def file_memory(limit: int) -> ImageError:
    return ImageError(
        "too-much-memory",
        f"This file needs more memory than the portal gives to one file ({_megabytes(limit)}).",
        "Send the series as single slices, or export it again.",
    )


def file_seconds(limit: float) -> ImageError:
    return ImageError(
        "too-much-time",
        f"This file needs more time than the portal gives to one file ({limit:.0f} seconds).",
        "Send the series as single slices, or export it again.",
    )


def reader_ended() -> ImageError:
    return ImageError(
        "damaged",
        "The file is damaged in a way that ends the program that reads it.",
        "Copy or export it again.",
    )


def too_large(size: int, limit: int) -> ImageError:
    return ImageError(
        "too-large",
        f"The file is too large ({_megabytes(size)}; the limit is {_megabytes(limit)}).",
        "Send the series as single slices or as a zip.",
    )


def too_many_files(count: int, limit: int) -> ImageError:
    return ImageError(
        "too-many-files",
        f"{count} files came in one upload; the limit is {limit}, and these were left out.",
        "Send the rest in another upload, or as a zip.",
    )


def empty() -> ImageError:
    return ImageError("empty", "The file is empty (0 bytes).", "Export or copy it again.")


def too_small(width: int, height: int, least: int) -> ImageError:
    return ImageError(
        "too-small",
        f"The picture is {width} × {height} pixels; a slice needs {least} on each side at least.",
        "Export it at its original CT resolution, usually 512 × 512.",
    )


def internal() -> ImageError:
    return ImageError(
        "internal",
        "The file could not be read because of a fault in this program.",
        "Export it in another way, and tell the people who run this portal.",
    )


def unreadable() -> ImageError:
    return ImageError("unreadable", "The file could not be read after upload.", "Send it again.")


def duplicate() -> ImageError:
    return ImageError("duplicate", "This picture is already in the case.", "Nothing to do; it was not added again.")


def sent_twice() -> ImageError:
    return ImageError(
        "duplicate",
        "The same picture came twice in this upload.",
        "Nothing to do; one copy was kept.",
    )


def beside_a_series(count: int) -> ImageError:
    pictures = "A picture" if count == 1 else f"{count} pictures"
    return ImageError(
        "picture-beside-series",
        f"{pictures} beside a DICOM series: left out, since a disc's viewer brings its own.",
        "Nothing to do; a picture that is a CT slice can be sent alone.",
    )


def no_pictures(count: int) -> ImageError:
    return ImageError(
        "not-an-image",
        f"{count} files beside the DICOM series are no CT slices (programs, texts and the like).",
        "Nothing to do; the series was read without them.",
    )


def not_ct(modality: str) -> ImageError:
    what = _MODALITIES.get(modality, "of another kind")
    return ImageError(
        "dicom-not-ct",
        f"The DICOM image is {what}, not a CT.",
        "Send the CT series, or choose to accept other modalities.",
    )


def unnamed_modality() -> ImageError:
    return ImageError(
        "dicom-not-ct",
        "The DICOM file does not say that it is a CT.",
        "If you know that it is one, choose to accept other modalities.",
    )


def screen_copy() -> ImageError:
    return ImageError(
        "dicom-not-ct",
        "The DICOM file is a screen copy or dose report, not a CT slice.",
        "Send the CT series, or choose to accept other modalities.",
    )


def localizer() -> ImageError:
    return ImageError(
        "dicom-localizer",
        "The DICOM image is the scout (localizer), not a slice.",
        "Nothing to do if the series itself was sent; otherwise send it.",
    )


def number_like_a_name() -> ImageError:
    """A number that cannot be kept, since it may name somebody, and cannot go, since the picture would be another."""
    return ImageError(
        "dicom-number",
        "A number on which the DICOM file's picture depends is so large that it may be a date or a record number.",
        "Export the series again, in another way if need be.",
    )


def no_pixels(sop_class: str) -> ImageError:
    """Name what kind of DICOM object it is; the name comes from the standard, not from the file."""
    known = sop_class in UID_dictionary
    name = UID(sop_class).name.removesuffix(" Storage") if known else "another kind of object"
    return ImageError(
        "dicom-no-pixels",
        f"The DICOM file holds no image; it is: {name}.",
        "Send the CT slices themselves.",
    )


def archive_damaged() -> ImageError:
    return ImageError("archive-damaged", "The zip is damaged or incomplete.", _AGAIN)


def entry_damaged() -> ImageError:
    return ImageError("archive-damaged", "This file is damaged inside the zip.", _AGAIN)


def archive_empty() -> ImageError:
    return ImageError("archive-empty", "There is no image in the zip.", "Pack the DICOM series and send that.")


def archive_encrypted(count: int) -> ImageError:
    files = "A file" if count == 1 else f"{count} files"
    return ImageError(
        "archive-encrypted",
        f"{files} in the zip cannot be opened without a password.",
        "Make the zip again without a password.",
    )


def archive_method() -> ImageError:
    return ImageError(
        "archive-method",
        "This file is packed by a method that is not read here.",
        "Make the zip with ordinary compression (deflate).",
    )


def archive_path() -> ImageError:
    return ImageError("archive-path", "This file's path in the zip leads out of the zip.", _AGAIN)


def archive_link() -> ImageError:
    return ImageError("archive-link", "This file in the zip is only a link to another file.", _AGAIN)


def archive_nesting(limit: int) -> ImageError:
    return ImageError(
        "archive-nesting",
        f"Zips lie inside one another more than {limit} deep.",
        "Unpack the outer zip and send what is in it.",
    )


def archive_entries(limit: int) -> ArchiveBomb:
    return ArchiveBomb(
        "archive-too-many-entries",
        f"The zip holds more than {limit} files; nothing of it was taken.",
        _SPLIT,
    )


def archive_too_large(limit: int) -> ArchiveBomb:
    return ArchiveBomb(
        "archive-too-large",
        f"The zip holds more than {_megabytes(limit)} when unpacked; nothing of it was taken.",
        _SPLIT,
    )


def archive_bomb() -> ArchiveBomb:
    return ArchiveBomb(
        "archive-bomb",
        "The zip unpacks to far more than images do; nothing of it was taken.",
        "Pack the original DICOM files and send that.",
    )


def office_document() -> ImageError:
    return ImageError(
        "not-an-image",
        "The file is an Office document, not a CT image.",
        "Export the CT as DICOM or PNG and send that.",
    )


def _gigapixels(pixels: int) -> str:
    return f"{pixels / 1e6:.0f} million pixels"


def _megabytes(size: int) -> str:
    if size >= 10 * (1 << 20):
        return f"{size / (1 << 20):.0f} MB"
    return f"{size / (1 << 20):.1f} MB" if size >= 1 << 20 else f"{max(1, size // 1024)} kB"
