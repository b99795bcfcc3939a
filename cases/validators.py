"""What a patient's and a case's fields may hold."""

import unicodedata
from datetime import date
from typing import Final

from django.core.exceptions import ValidationError
from django.utils import timezone

_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})
_JOINERS: Final = frozenset({"\u200c", "\u200d"})
"""Between letters, scripts such as Persian and Hindi need them."""
_BLANKS: Final = frozenset({"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"})
"""Letters and signs that show nothing."""


def validate_not_in_future(day: date) -> None:
    if day > timezone.localdate():
        raise ValidationError("The date of birth lies in the future; check the year.")


def validate_one_line(text: str) -> None:
    """Refuse what a reader cannot see or what would show the text in another order than it is stored."""
    if any(_is_hidden(text, at) for at in range(len(text))):
        raise ValidationError("Remove the control and invisible characters; use letters, digits and spaces.")
    if text and not any(_is_visible(character) for character in text):
        raise ValidationError("Write at least one letter or digit; nothing of this can be seen.")


def normal_text(text: str) -> str:
    """Returns one spelling for all that look the same: composed letters, ordinary digits, no space at either end."""
    return unicodedata.normalize("NFKC", text).strip()


def normal_name(text: str) -> str:
    """A name with its letters composed, otherwise as it was written."""
    return unicodedata.normalize("NFC", text).strip()


def _is_hidden(text: str, at: int) -> bool:
    character = text[at]
    if character in _JOINERS:
        return not (0 < at < len(text) - 1 and text[at - 1].isalpha() and text[at + 1].isalpha())
    return unicodedata.category(character) in _HIDDEN


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANKS
