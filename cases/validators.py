"""What a patient's and a case's fields may hold."""

import unicodedata
from datetime import date

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.plain_text import REFUSED, hides_something, shows_nothing


def validate_not_in_future(day: date) -> None:
    if day > timezone.localdate():
        raise ValidationError(_("The date of birth is in the future; check the year."))


def validate_one_line(text: str) -> None:
    """Refuse what a reader cannot see or what would show the text in another order than it is stored."""
    if hides_something(text):
        raise ValidationError(REFUSED)
    if shows_nothing(text):
        raise ValidationError(_("Write at least one letter or digit; nothing of this can be seen."))


def normal_text(text: str) -> str:
    """Returns one spelling for all that look the same: composed letters, ordinary digits, no space at either end."""
    return unicodedata.normalize("NFKC", text).strip()


def normal_name(text: str) -> str:
    """A name with its letters composed, otherwise as it was written."""
    return unicodedata.normalize("NFC", text).strip()
