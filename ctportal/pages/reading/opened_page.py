"""What a page for deciding says of itself: who opened it, for which scan, and when.

The page carries this as a signed key. A submission with it can only be for the scan and by the reader that it was made
for. It also lets a page whose session has ended save its reader's draft, and nothing else.
"""

import time
from dataclasses import dataclass

from django.conf import settings
from django.core import signing

from accounts.models import User
from cases.models import Scan

SALT = "opened-page"
SETTLING_SECONDS = 0.7  # a page that was opened more recently has not been looked at


@dataclass(frozen=True)
class OpenedPage:
    reader_id: int
    scan_id: int
    opened_at: float  # seconds since 1970, by the portal's clock

    @property
    def is_settled(self) -> bool:
        return time.time() - self.opened_at >= SETTLING_SECONDS

    def is_for(self, reader: User, scan: Scan) -> bool:
        return (self.reader_id, self.scan_id) == (reader.pk, scan.pk)

    @property
    def reader(self) -> User | None:
        return User.objects.filter(pk=self.reader_id, is_active=True).first()

    @property
    def key(self) -> str:
        return signing.dumps([self.reader_id, self.scan_id, self.opened_at], salt=SALT)


def page_opened_now(reader: User, scan: Scan) -> OpenedPage:
    return OpenedPage(reader.pk, scan.pk, time.time())


def page_of_key(key: str) -> OpenedPage | None:
    """The page behind a key; none if the key is not ours, or older than a session may be."""
    try:
        return OpenedPage(*signing.loads(key, salt=SALT, max_age=settings.SESSION_COOKIE_AGE))
    except signing.BadSignature:
        return None
