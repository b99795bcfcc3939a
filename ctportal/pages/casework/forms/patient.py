from typing import Any

from django import forms
from django.forms.models import fields_for_model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.casework import PATIENT_FIELDS
from cases.models import Patient
from ctportal.pages.shared.checked_form import ModelCheckedForm

WIDGETS: dict[str, type[forms.Widget] | forms.Widget] = {
    "record_number": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    "name": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    "birth_date": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
}
LABELS = {"name": gettext_lazy("Name"), "sex": gettext_lazy("Sex")}


class PatientForm(ModelCheckedForm):
    """Asks for a patient's identity."""

    model = Patient
    checked = PATIENT_FIELDS
    existing: Patient | None = None  # who has the record number already

    def __init__(self, *args: Any, patient: Patient | None = None, **kwargs: Any) -> None:
        if patient is not None:
            kwargs["initial"] = {name: getattr(patient, name) for name in PATIENT_FIELDS}
        super().__init__(*args, **kwargs)
        labels = {name: str(words) for name, words in LABELS.items()}
        self.fields.update(fields_for_model(Patient, fields=PATIENT_FIELDS, widgets=WIDGETS, labels=labels))
        self.fields["birth_date"].widget.attrs["max"] = timezone.localdate().isoformat()

    def facts(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in PATIENT_FIELDS}


class NewPatientForm(PatientForm):
    """Asks for the site too, where there is a choice."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sites = list(sites_with(user, Right.UPLOAD))
        site: Any = forms.ModelChoiceField(
            label=_("Site"), queryset=Site.objects.filter(pk__in=[site.pk for site in sites])
        )
        site.choices = [("", _("Choose the site")), *((site.pk, site.name) for site in sites)]
        if len(sites) == 1:
            site.initial, site.widget = sites[0].pk, forms.HiddenInput()
        self.fields = {"site": site, **self.fields}
