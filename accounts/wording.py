"""How words are put together in the language of whoever reads them."""

from collections.abc import Sequence

from django.utils.translation import get_language
from django.utils.translation import gettext as _

KEEPS_CAPITALS = "de"  # a noun is written with a capital wherever it is


def in_sentence(label: object) -> str:
    """Writes a label as it is written inside a sentence."""
    words = str(label)
    return words if (get_language() or "").startswith(KEEPS_CAPITALS) else words.lower()


def opening(words: str) -> str:
    """Writes words as they are written where a sentence begins with them."""
    return words[:1].upper() + words[1:]


def listed(parts: Sequence[str]) -> str:
    """Writes “4, 5 and 9”."""
    if len(parts) < 2:
        return "".join(parts)
    return _("%(first)s and %(last)s") % {"first": ", ".join(parts[:-1]), "last": parts[-1]}
