"""The labelled set of the sites that the caller manages: which scans are in it, and why others are not."""

from typing import Any

import django_filters
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Site
from accounts.rights import Right, require_somewhere
from cases.disclosure import note_shown
from cases.labelled_export import export_labelled_set
from cases.labelled_set import Standing, labels_shown_to
from cases.labels import Agreement
from cases.models import Label, Scan, ScanQuerySet
from ctportal.api.fields import NameOnly
from ctportal.api.filters import IdFilter
from ctportal.api.resource import Resource, caller
from ctportal.downloads import zip_download

AGREEMENTS = [(agreement.value, agreement.value) for agreement in Agreement]


class LabelledScanSerializer(serializers.ModelSerializer):
    scan = serializers.IntegerField(source="pk", read_only=True)
    site = NameOnly("slug")
    group = serializers.UUIDField(source="case.patient.pseudonym", read_only=True, help_text="The patient, unnamed.")
    label = serializers.ChoiceField(  # type: ignore[assignment]  # a Field's own name
        choices=Label.choices, allow_null=True, read_only=True
    )
    agreement = serializers.ChoiceField(
        choices=AGREEMENTS, read_only=True, allow_null=True, help_text="Null where the caller has to decide first."
    )
    standing = serializers.ChoiceField(
        choices=Standing.choices,
        read_only=True,
        help_text="`included`, or the first reason why not; `hidden` where the caller, who reads blinded, has to "
        "decide first.",
    )

    class Meta:
        model = Scan
        fields = ["scan", "case", "site", "group", "label", "agreement", "standing", "slice_count"]


class LabelFilter(django_filters.FilterSet):
    site = django_filters.CharFilter(max_length=50, label="The slug of a site.")
    label = django_filters.ChoiceFilter(choices=Label.choices, label="The readers' word.")
    agreement = django_filters.ChoiceFilter(choices=AGREEMENTS, label="How far the readers agree.")
    standing = django_filters.ChoiceFilter(choices=Standing.choices, label="In the set, or why not.")
    with_synthetic = django_filters.BooleanFilter(label="Count scans drawn for demonstration in.")
    case = IdFilter(label="The number of a case.")

    class Meta:
        model = Scan
        fields: list[str] = []

    def filter_queryset(self, queryset: ScanQuerySet) -> ScanQuerySet:
        asked: dict[str, Any] = self.form.cleaned_data
        scans = labels_shown_to(caller(self.request), with_synthetic=bool(asked["with_synthetic"]))
        if slug := asked["site"]:
            scans = scans.filter(case__patient__site__in=Site.objects.filter(slug=slug))
        exact = {"label": asked["label"], "agreement": asked["agreement"], "standing": asked["standing"]}
        exact["case_id"] = asked["case"]
        return scans.filter(**{name: value for name, value in exact.items() if value}).order_by("-pk")


class LabelViews(Resource):
    """Serves the labelled set to managers. People's decisions alone make the set; what the model says has no part in
    it.
    """

    queryset = Scan.objects.all()
    serializer_class = LabelledScanSerializer
    filterset_class = LabelFilter
    lists = "labels"

    def get_queryset(self) -> Any:
        require_somewhere(caller(self.request), Right.MANAGE)
        return self.rows()

    @extend_schema(summary="List the scans of the labelled set, and those left out")
    def list(self, request: Request) -> Response:
        rows = self.page()
        note_shown(caller(request), [scan.pk for scan in rows if not scan.is_hidden])
        return self.get_paginated_response(LabelledScanSerializer(rows, many=True, context=self.context()).data)

    @extend_schema(
        summary="Take the labelled set away",
        description="A zip of the normalised slices with a `manifest.csv` that `python -m ml train` reads, without "
        "any identity. It takes the same filters as the list. The export is an event on each site's record.",
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    @action(detail=False, pagination_class=None)
    def export(self, request: Request) -> StreamingHttpResponse:
        scans: Any = self.filter_queryset(self.get_queryset())
        archive = export_labelled_set(scans=scans, user=caller(request))
        return zip_download(archive, name="labelled-set")
