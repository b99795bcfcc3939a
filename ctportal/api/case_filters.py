"""Which cases a list holds, and whose decision it must not betray."""

from collections.abc import Iterable
from typing import Any

import django_filters

from cases.models import Case, CaseStatus, Priority, Scan
from cases.reviews import hidden_scan_ids
from ctportal.accounts.models import User
from ctportal.api.filters import IdFilter


def hidden_case_ids(user: User, cases: Iterable[Case]) -> set[int]:
    """Cases of which the user must not see the model's answer to some scan yet."""
    blinded = [case.pk for case in cases if case.site.blinded_reads]
    if not blinded:
        return set()
    scans = list(Scan.objects.filter(case__in=blinded).ready().select_related("case__patient__site"))
    hidden = hidden_scan_ids(user, scans)
    return {scan.case_id for scan in scans if scan.pk in hidden}


class CaseFilter(django_filters.FilterSet):
    site = django_filters.CharFilter(field_name="patient__site__slug", label="The slug of a site.")
    patient = IdFilter(field_name="patient_id", label="The number of a patient.")
    status = django_filters.ChoiceFilter(choices=CaseStatus.choices, label="The state.")
    priority = django_filters.ChoiceFilter(choices=Priority.choices, label="The priority.")
    needs_review = django_filters.BooleanFilter(label="Whether a scan lacks the readers' word.")

    class Meta:
        model = Case
        fields: list[str] = []

    def nothing(self, queryset: Any) -> Any:
        return queryset
