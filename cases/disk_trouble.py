"""Names the trouble of a disk. The processes that decode files raise it too and know no Django; only its words, which
the portal alone writes, ask for a translation.
"""

from __future__ import annotations

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class DiskTrouble(Exception):
    """A disk of the portal took no file, so nothing of this upload was stored. `number` is the errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        from django.utils.translation import gettext as _

        return f"{disk_words(self.number)} {_('Nothing of this upload was stored; tell the administrator.')}"

    def __reduce__(self) -> tuple[type[DiskTrouble], tuple[int]]:
        return type(self), (self.number,)

    @property
    def name(self) -> str:
        return errno.errorcode.get(self.number, str(self.number))

    @property
    def has_no_room(self) -> bool:
        return self.number in NO_ROOM

    @classmethod
    def of(cls, error: OSError) -> DiskTrouble:
        return cls(error.errno or errno.EIO)


def disk_words(number: int) -> str:
    from django.utils.translation import gettext as _

    if number == errno.EROFS:
        return _("The portal's disk is read-only.")
    return _("The portal's disk is full.") if number in NO_ROOM else _("The portal's disk failed.")
