"""Says what text that people type may hold: nothing that hides, nothing that is shown in another order than stored."""

import unicodedata
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

_HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})
_LINES: Final = frozenset("\n\r\t")
_JOINERS: Final = frozenset({"\u200c", "\u200d"})
"""Between letters, scripts such as Persian and Hindi need them."""
_BLANKS: Final = frozenset({"\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"})
"""Letters and signs that show nothing."""
REFUSED: Final = gettext_lazy("Remove the control and invisible characters; use letters, digits and spaces.")


def hides_something(text: str, *, lines: bool = False) -> bool:
    """Say whether a reader could not see a character of the text, or would see the text in another order.

    `lines` allows line breaks and tabs.
    """
    return any(_is_hidden(text, at) for at in range(len(text)) if not (lines and text[at] in _LINES))


def shows_nothing(text: str) -> bool:
    """Say whether a text that is not empty has no visible character."""
    return bool(text) and not any(_is_visible(character) for character in text)


def validate_lines(text: str) -> None:
    """Refuses hidden characters in a text of several lines."""
    if hides_something(text, lines=True):
        raise ValidationError(REFUSED)


def _is_hidden(text: str, at: int) -> bool:
    character = text[at]
    if character in _JOINERS:
        return not (0 < at < len(text) - 1 and text[at - 1].isalpha() and text[at + 1].isalpha())
    return unicodedata.category(character) in _HIDDEN


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANKS
