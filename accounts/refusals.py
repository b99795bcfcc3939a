"""Names the refusals that every room shares. Pages answer them in words, the API with a problem document."""

from django.utils.translation import gettext as _

from accounts.plain_text import hides_something

LONGEST_REASON = 500


class WrongState(Exception):
    """The object is not in a state in which this can be done; the message says what to do instead."""


class ReasonMissing(Exception):
    """A decision against the model, or against an earlier one, needs a written reason."""


def written_reason(reason: str, *, missing: str, longest: int = LONGEST_REASON) -> str:
    """Returns the reason as it is stored. Raises WrongState where it is `missing`, with those words, or too long."""
    reason = bounded_text(reason, longest=longest)
    if not reason:
        raise WrongState(missing)
    return reason


def bounded_text(text: str, *, longest: int = LONGEST_REASON, what: str = "A reason") -> str:
    """Returns the text without what PostgreSQL cannot store and without spaces at its ends; it may be empty."""
    text = text.replace("\0", "").strip()
    if len(text) > longest:
        raise WrongState(
            _("%(what)s takes at most %(longest)s characters; shorten it.") % {"what": what, "longest": longest}
        )
    if hides_something(text, lines=True):
        raise WrongState(_("%(what)s takes no control and no invisible characters; remove them.") % {"what": what})
    return text
