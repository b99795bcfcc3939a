"""What a list of cases can be narrowed to; the worklist's own rules do it."""

from typing import Any

import django_filters

from accounts.models import Site, User
from cases.models import Case, CaseQuerySet, CaseStatus, Decision, Label, Priority
from cases.worklist import ACTIVE, DEFAULT_ORDER, ORDERS, WorklistFilter, narrow
from ctportal.api.filters import IdFilter

# Those of the worklist's orders whose places may be written into an address: none that holds a patient's name.
ORDERS_SHOWN = [(name, name) for name in ORDERS if name.lstrip("-") not in ("patient", "reader")]


class CaseFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(
        choices=[(ACTIVE, "Neither closed nor cancelled"), *CaseStatus.choices],
        label="One state, or `active`.",
    )
    priority = django_filters.ChoiceFilter(choices=Priority.choices, label="The priority.")
    decision = django_filters.ChoiceFilter(choices=Decision.choices, label="The gravest answer that shows.")
    final_label = django_filters.ChoiceFilter(choices=Label.choices, label="The readers' word.")
    needs_review = django_filters.BooleanFilter(label="Whether a scan lacks the readers' word.")
    readers_disagree = django_filters.BooleanFilter(label="Whether readers disagree on a scan, as far as it shows.")
    reader = django_filters.CharFilter(max_length=150, label="The user name of the assigned reader.")
    site = django_filters.CharFilter(max_length=50, label="The slug of a site.")
    patient = IdFilter(label="The number of a patient.")
    opened_from = django_filters.DateFilter(label="The first day, in the caller's time zone.")
    opened_to = django_filters.DateFilter(label="The last day, in the caller's time zone.")
    order = django_filters.ChoiceFilter(
        choices=ORDERS_SHOWN, label=f"`{DEFAULT_ORDER}`, unless said otherwise: what is most pressing first."
    )

    class Meta:
        model = Case
        fields: list[str] = []

    def filter_queryset(self, queryset: CaseQuerySet) -> CaseQuerySet:
        asked: dict[str, Any] = dict(self.form.cleaned_data)
        order = asked.pop("order") or DEFAULT_ORDER
        cases = _by_names(queryset, asked)
        return narrow(cases, _wanted(asked)).order_by(*ORDERS[order])


def _by_names(cases: CaseQuerySet, asked: dict[str, Any]) -> CaseQuerySet:
    """Names and numbers of what may not exist narrow to nothing rather than fail."""
    if slug := asked.pop("site"):
        cases = cases.filter(patient__site__in=Site.objects.filter(slug=slug))
    if patient := asked.pop("patient"):
        cases = cases.filter(patient_id=patient)
    if username := asked.pop("reader"):
        cases = cases.filter(assigned_reader__in=User.objects.filter(username=username))
    return cases


def _wanted(asked: dict[str, Any]) -> WorklistFilter:
    label = asked.pop("final_label")
    return WorklistFilter(
        label=label or "", **{name: value for name, value in asked.items() if value not in (None, "")}
    )
