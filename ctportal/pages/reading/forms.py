from typing import Any

from django import forms

from cases.models import Label


class DecisionForm(forms.Form):
    """A reader's word on a scan: confirmed with one press, or a label chosen by hand."""

    confirm = forms.ChoiceField(choices=Label, required=False)
    label = forms.ChoiceField(choices=Label, required=False)
    reason = forms.CharField(max_length=2000, required=False, strip=True)
    seen_prediction = forms.IntegerField(required=False, min_value=1)
    close = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not (found.get("confirm") or found.get("label")) and not self.errors:
            self.add_error("label", "Choose what the scan shows.")
        return found

    def decision(self) -> dict[str, Any]:
        """What `cases.reading.decide` takes."""
        found = self.cleaned_data
        return {
            "label": found["confirm"] or found["label"],
            "reason": found["reason"],
            "seen_prediction": found["seen_prediction"],
            "close": found["close"],
        }
