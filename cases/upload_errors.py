"""Names what can stop an upload, or the reading of what was stored, that is no fault of a file."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.formatting import decimal


class UploadsAtOnce(Exception):
    """The user sends as many uploads already as one user may send at a time."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            _("%(limit)s of your uploads are still being read; wait until one is done, then send this again.")
            % {"limit": limit}
        )


class ReadersBusy(Exception):
    """Every process that reads files is at work, and none became free in time."""

    def __init__(self) -> None:
        super().__init__(
            _("The portal is reading other uploads. Nothing of this one was stored; send it again shortly.")
        )


class UploadTooLarge(Exception):
    """The request sends more bytes than one upload may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            _(
                "The upload is larger than %(limit)s MB, the most in one request. Nothing of it was stored; "
                "send the series one after the other."
            )
            % {"limit": decimal(limit / (1 << 20), 0)}
        )


SEND_AGAIN = gettext_lazy("Withdraw this scan and upload it again.")


class PictureLost(Exception):
    """A stored file is missing or is not what was stored; no repetition brings it back."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} {SEND_AGAIN}")


class StoreAway(Exception):
    """The store of images cannot be read, whichever file is asked for."""

    def __init__(self) -> None:
        super().__init__(
            _("The stored images cannot be read just now; try again in a minute, or tell the administrator.")
        )
