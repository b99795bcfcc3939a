"""Names the refusals of casework."""

from accounts.refusals import WrongState


class LookAgain(WrongState):
    """What was on the reader's screen is out of date; nothing was recorded, and the message says what has changed."""
