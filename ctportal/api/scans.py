"""Scans: sent to a case, answered by the model, decided by readers."""

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from cases.casework import withdraw_scan
from cases.joining import split_scan
from cases.models import Scan, ScanKind, ScanQuerySet, ScanStatus
from cases.reviews import hidden_scans
from ctportal.api.fields import NameOnly, ReasonSerializer
from ctportal.api.filters import LARGEST_ID, IdFilter
from ctportal.api.idempotency import Receipt, once
from ctportal.api.lineage import ScanLineageSerializer
from ctportal.api.permissions import UPLOAD
from ctportal.api.predictions import PREDICTIONS, HiddenAnswers, PredictionSerializer
from ctportal.api.resource import Resource, caller
from inference.current_answer import answers_by_scan
from monitoring.lineage.queries import lineage_of_scan

SCANS = Scan.objects.select_related("case__patient__site", "uploaded_by")


class ScanSerializer(serializers.ModelSerializer):
    uploaded_by = NameOnly("username")
    prediction = serializers.SerializerMethodField(
        help_text="The current answer, else the newest attempt; null before any."
    )
    earlier_predictions = serializers.SerializerMethodField(
        help_text="Answers that were current before, the newest first; none until this reader may see the answer."
    )
    slices = serializers.SerializerMethodField(help_text="Where its slices are listed.")

    class Meta:
        model = Scan
        fields = [
            "id",
            "case",
            "status",
            "kind",
            "modality",
            "description",
            "pixel_spacing",
            "slice_thickness",
            "slice_count",
            "notes",
            "is_synthetic",
            "uploaded_at",
            "uploaded_by",
            "withdrawn_reason",
            "final_label",
            "readers_disagree",
            "prediction",
            "earlier_predictions",
            "slices",
        ]
        extra_kwargs = {
            "readers_disagree": {"allow_null": True, "help_text": "Null where what colleagues decided is hidden."}
        }

    def to_representation(self, scan: Scan) -> dict[str, Any]:
        shown = super().to_representation(scan)
        sight: HiddenAnswers = self.context["sight"]
        if sight.hides(scan.pk):  # what colleagues decided would sway the reader as well
            shown["final_label"] = shown["readers_disagree"] = None
        return shown

    @extend_schema_field(PredictionSerializer(allow_null=True))
    def get_prediction(self, scan: Scan) -> Any:
        prediction = self.context["answers"][scan.pk].current
        return None if prediction is None else PredictionSerializer(prediction, context=self.context).data

    @extend_schema_field(PredictionSerializer(many=True))
    def get_earlier_predictions(self, scan: Scan) -> Any:
        sight: HiddenAnswers = self.context["sight"]
        earlier = [] if sight.hides(scan.pk) else self.context["answers"][scan.pk].earlier
        return PredictionSerializer(earlier, many=True, context=self.context).data

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_slices(self, scan: Scan) -> str:
        return f"{reverse('api:slice-list', request=self.context['request'])}?scan={scan.pk}"


def shown_scans(scans: list[Scan], request: Request) -> Any:
    """The scans as this caller may see them, in a number of queries that does not grow with them."""
    context = {
        "request": request,
        "sight": HiddenAnswers(caller(request), scans),
        "answers": answers_by_scan(scans, among=PREDICTIONS),
    }
    return ScanSerializer(scans, many=True, context=context).data


class ScanFilter(django_filters.FilterSet):
    case = IdFilter(field_name="case_id", label="The number of a case.")
    patient = IdFilter(field_name="case__patient_id", label="The number of a patient.")
    status = django_filters.ChoiceFilter(choices=ScanStatus.choices, label="Ready, or withdrawn.")
    kind = django_filters.ChoiceFilter(choices=ScanKind.choices, label="DICOM or images.")

    readers_disagree = django_filters.BooleanFilter(
        label="Whether the readers disagree, as far as it shows.", method="where_readers_disagree"
    )

    class Meta:
        model = Scan
        fields: list[str] = []

    def where_readers_disagree(self, scans: ScanQuerySet, name: str, wanted: bool) -> ScanQuerySet:
        return scans.filter(readers_disagree=wanted).exclude(pk__in=hidden_scans(caller(self.request)))


class SplitScan(ReasonSerializer):
    starts = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), required=False, default=list, max_length=1000
    )


class ScanViews(Resource):
    """Serves scans, one series or picture each. Scans are sent to `/cases/{id}/scans/`."""

    queryset = SCANS.order_by("-pk")
    serializer_class = ScanSerializer
    filterset_class = ScanFilter
    scopes = {"withdraw": UPLOAD, "split": UPLOAD}
    lists = "scans"

    @extend_schema(summary="List scans, the newest first")
    def list(self, request: Request) -> Response:
        rows = self.page()
        return self.get_paginated_response(shown_scans(rows, request))

    @extend_schema(
        summary="Read a scan with the model's newest answer",
        description="The one address to poll after an upload. Send `If-None-Match` with the `ETag` of the last "
        "answer: 304 without a body means that nothing has changed.",
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        scan = self.fetch()
        return Response(shown_scans([scan], request)[0])

    @extend_schema(summary="Read where a scan was used", responses=ScanLineageSerializer)
    @action(detail=True, filterset_class=None)
    def lineage(self, request: Request, pk: int) -> Response:
        scan = self.fetch()
        return Response(ScanLineageSerializer(lineage_of_scan(scan, caller(request))).data)

    @extend_schema(
        summary="Withdraw a scan that was sent by mistake",
        request=ReasonSerializer,
        responses=ScanSerializer,
        examples=[OpenApiExample("A slip", value={"reason": "Belongs to another patient."}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: int) -> Response:
        return once(request, work=self._withdraw, answer=self._withdraw_response)

    @extend_schema(
        summary="Split a scan",
        description="Each part begins at one of the slices that `starts` names, counted from 1; where none is named, "
        "each slice becomes a scan. The old scan is withdrawn. Where a reader has decided on it, only a manager may.",
        request=SplitScan,
        responses=ScanSerializer(many=True),
    )
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def split(self, request: Request, pk: int) -> Response:
        return once(request, work=self._split, answer=self._split_response)

    def _split(self) -> Receipt:
        scan = self.fetch()
        sent = SplitScan(data=self.request.data)
        sent.is_valid(raise_exception=True)
        parts = split_scan(scan=scan, user=caller(self.request), **sent.validated_data)
        return {"scans": [part.pk for part in parts]}

    def _split_response(self, receipt: Receipt) -> Response:
        self.fetch()  # a replay shows only what may still be seen
        return Response(shown_scans(list(SCANS.filter(pk__in=receipt["scans"]).order_by("pk")), self.request))

    def _withdraw(self) -> Receipt:
        scan = self.fetch()
        sent = ReasonSerializer(data=self.request.data)
        sent.is_valid(raise_exception=True)
        withdraw_scan(scan=scan, user=caller(self.request), reason=sent.validated_data["reason"])
        return {}

    def _withdraw_response(self, receipt: Receipt) -> Response:
        return Response(shown_scans([self.fetch()], self.request)[0])
