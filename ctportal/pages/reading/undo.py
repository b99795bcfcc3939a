"""What the message of a recorded decision carries, so that it can offer to withdraw the decision."""

from dataclasses import dataclass

from accounts.models import User
from cases.models import Review
from cases.withdrawal import seconds_to_withdraw

MARK = "review-"


@dataclass(frozen=True)
class Offer:
    review_id: int
    seconds: int


def offer_to_withdraw(review: Review) -> str:
    """Returns the mark of a message about this decision."""
    return f"{MARK}{review.pk}"


def offer_of(mark: str, user: User) -> Offer | None:
    """What a message with this mark still offers its reader now; none once the time is over."""
    number = mark.removeprefix(MARK)
    if not mark.startswith(MARK) or not number.isdecimal():
        return None
    review = Review.objects.filter(pk=int(number), reader=user).select_related("superseded_by").first()
    seconds = seconds_to_withdraw(review, user) if review is not None else 0
    return Offer(int(number), seconds) if seconds else None
