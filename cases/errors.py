"""Refusals of the house's rules. Pages answer 409 with the message, the API a problem document."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cases.models import Patient


class WrongState(Exception):
    """The object is not in a state in which this can be done; the message says the way out."""


class LookAgain(WrongState):
    """What was on the reader's screen is out of date; nothing was recorded, and the message says what has changed."""


class DuplicateRecordNumber(Exception):
    """The site already has a patient with this number, who is offered instead."""

    def __init__(self, existing: Patient) -> None:
        super().__init__("This site already has a patient with this medical record number.")
        self.existing = existing


class ReasonMissing(Exception):
    """A decision against the model, or against an earlier one, needs words."""
