"""What the form of a decision sends, and what makes it one decision of one reader on one scan."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from cases.models import Label, Scan
from ctportal.pages.reading.opened_page import OpenedPage, page_of_key
from ctportal.pages.shared.plain_text import PlainText

TOO_OLD = gettext_lazy("This page has been open for too long. Look at the scan again, then record.")
ANOTHER_SCAN = gettext_lazy("This form was made for another scan, or by somebody else. Look at this scan, then record.")
TOO_SOON = gettext_lazy("This page had been open for less than a second. Look at the scan, then record.")


class DraftForm(forms.Form):
    """The part of a decision that is kept while it is being typed."""

    label = forms.ChoiceField(choices=Label, required=False)
    confirm = forms.ChoiceField(choices=Label, required=False)  # the pressed button confirms the model's answer
    record = forms.ChoiceField(choices=Label, required=False)  # the pressed button records another label
    reason = forms.CharField(max_length=2000, required=False, strip=True, widget=forms.Textarea)
    close = forms.BooleanField(required=False)
    page = forms.CharField(max_length=300, required=False)

    def clean_page(self) -> OpenedPage | None:
        return page_of_key(self.cleaned_data["page"])

    @property
    def chosen(self) -> str:
        found = self.cleaned_data
        return found.get("label") or found.get("confirm") or found.get("record") or ""

    def draft(self) -> dict[str, Any]:
        """What `cases.drafts.keep_draft` takes."""
        found, page = self.cleaned_data, self.cleaned_data["page"]
        return {
            "label": self.chosen,
            "reason": found.get("reason") or "",
            "closes_case": bool(found.get("close")),
            "since": page.opened_at if page else 0.0,
        }


class DecisionForm(PlainText, DraftForm):
    """Asks for a reader's decision about a scan. The pressed button names a label too, which must be the chosen one."""

    reason_for = forms.ChoiceField(choices=Label, required=False)  # the label for which the reason was typed
    seen_prediction = forms.IntegerField(required=False, min_value=1)
    seen_review = forms.IntegerField(required=False, min_value=0)

    def __init__(self, *args: Any, reader: User | None = None, scan: Scan | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reader, self.scan = reader, scan

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not self.errors and not self.chosen:
            self.add_error("label", _("Choose what the scan shows."))
        self._require_the_label_of_the_button()
        self._require_the_reason_of_the_label()
        self._require_the_page_of_the_scan()
        return found

    def _require_the_label_of_the_button(self) -> None:
        pressed = self.cleaned_data.get("confirm") or self.cleaned_data.get("record")
        if pressed and pressed != self.chosen:
            words = _(
                "You chose “%(chosen)s”, and the button was for “%(pressed)s”. Nothing was recorded: choose once more "
                "and record it."
            )
            self.add_error("label", words % {"chosen": Label(self.chosen).label, "pressed": Label(pressed).label})

    def _require_the_reason_of_the_label(self) -> None:
        meant = self.cleaned_data.get("reason_for")
        if meant and self.cleaned_data.get("reason") and meant != self.chosen:
            words = _(
                "This reason was written for “%(meant)s”. Nothing was recorded: write one for the label that you "
                "record."
            )
            self.add_error("reason", words % {"meant": Label(meant).label})

    def _require_the_page_of_the_scan(self) -> None:
        page = self.cleaned_data.get("page")
        if self.reader is None or self.scan is None:
            raise TypeError("A decision is checked for a reader and a scan.")
        if page is None:
            self.add_error(None, TOO_OLD)
        elif not page.is_for(self.reader, self.scan):
            self.add_error(None, ANOTHER_SCAN)
        elif not page.is_settled:
            self.add_error(None, TOO_SOON)

    def decision(self) -> dict[str, Any]:
        """What `cases.reading.decide` takes."""
        found = self.cleaned_data
        return {
            "label": self.chosen,
            "reason": found["reason"],
            "confirms": bool(found["confirm"]),
            "seen_prediction": found["seen_prediction"],
            "seen_review": found["seen_review"] or 0,
            "close": found["close"],
        }
