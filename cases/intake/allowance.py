"""What reading one upload may cost in all: pixels, slices and seconds."""

from __future__ import annotations

from dataclasses import dataclass

from cases.intake import refusals
from cases.intake.contents import Limits


@dataclass
class Allowance:
    """What is left of it. A scan comes out of one upload, so it is bounded by the same."""

    pixels: int
    slices: int
    seconds: float
    limits: Limits

    @classmethod
    def of(cls, limits: Limits) -> Allowance:
        return cls(limits.max_upload_pixels, limits.max_slices, limits.upload_seconds, limits)

    def require(self, *, pixels: int, slices: int) -> None:
        """Before anything is decoded, by what a file's header announces.

        Raises:
            ImageError: this file alone is more than any upload may hold.
            UploadExhausted: what came before has left too little for it.
        """
        if pixels > self.limits.max_upload_pixels or slices > self.limits.max_slices:
            raise refusals.file_exhausts_upload(self.limits.max_upload_pixels, self.limits.max_slices)
        if pixels > self.pixels or slices > self.slices:
            raise self._exhausted()

    def spend(self, *, pixels: int, slices: int = 1) -> None:
        """As it is decoded, whatever the header said."""
        self.pixels -= pixels
        self.slices -= slices
        if self.pixels < 0 or self.slices < 0:
            raise self._exhausted()

    def spend_seconds(self, seconds: float) -> None:
        self.seconds -= seconds
        if self.seconds < 0:
            raise self._exhausted()

    def _exhausted(self) -> refusals.UploadExhausted:
        limits = self.limits
        return refusals.upload_exhausted(limits.max_upload_pixels, limits.max_slices, limits.upload_seconds)
