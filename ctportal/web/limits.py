"""What a client may take: time to send a request, size, and room for bodies that are still being received."""

from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1024**2
ABOVE_AN_UPLOAD = 64 * MEBIBYTE  # what is just too large comes in, and is refused with words


@dataclass(frozen=True)
class Limits:
    """The defaults are those of a ward's network; docs/operations.md names the variables that change them."""

    spool: Path
    header_seconds: float = 15
    body_seconds: float = 30
    body_bytes_a_second: int = 16 * 1024
    idle_seconds: float = 75
    unread_seconds: float = 60
    most_body_bytes: int = 2 * 1024 * MEBIBYTE + 64 * MEBIBYTE
    most_anonymous_bytes: int = 10 * MEBIBYTE
    most_spooled_bytes: int = 4 * 1024 * MEBIBYTE
    least_free_bytes: int = 512 * MEBIBYTE
    connections: int = 1000
    session_cookie: str = "sessionid"

    def body_time(self, received: int) -> float:
        """The time in which a body that has come so far must have come: a start, and then a least rate."""
        return self.body_seconds + received / self.body_bytes_a_second


def limits_of_settings() -> Limits:
    from django.conf import settings

    return Limits(
        spool=settings.UPLOAD_SPOOL,
        header_seconds=settings.WEB_HEADER_SECONDS,
        body_seconds=settings.WEB_BODY_SECONDS,
        body_bytes_a_second=settings.WEB_BODY_BYTES_A_SECOND,
        most_body_bytes=settings.UPLOAD_MAX_REQUEST_BYTES + ABOVE_AN_UPLOAD,
        most_spooled_bytes=settings.WEB_MOST_SPOOLED_BYTES,
        session_cookie=settings.SESSION_COOKIE_NAME,
    )
