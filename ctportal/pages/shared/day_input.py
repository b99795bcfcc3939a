"""Asks for a day with the browser's own calendar."""

from django import forms


class DayInput(forms.DateInput):
    input_type = "date"
