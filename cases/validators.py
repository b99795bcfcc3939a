"""What a patient's and a case's fields may hold."""

from datetime import date

from django.core.exceptions import ValidationError
from django.utils import timezone


def validate_not_in_future(day: date) -> None:
    if day > timezone.localdate():
        raise ValidationError("The date of birth lies in the future; check the year.")


def validate_one_line(text: str) -> None:
    if any(ord(character) < 32 for character in text):
        raise ValidationError("Remove the control characters; use letters, digits and spaces.")
