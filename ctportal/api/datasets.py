"""Frozen versions of the labelled set, and the base sets that were imported beside it."""

from typing import Any

import django_filters
from django.db.models import Count
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.rights import Right, require_somewhere, sites_with
from cases.disclosure import note_shown
from cases.models import Case
from ctportal.api.fields import NamedField, NameOnly, SiteField, StrictSerializer
from ctportal.api.idempotency import Receipt, once
from ctportal.api.lineage import DatasetLineageSerializer
from ctportal.api.manager_only import ManagedResource
from ctportal.api.permissions import TRAIN
from ctportal.api.resource import Resource, caller
from ctportal.downloads import zip_download
from learning.datasets.build import build_dataset
from learning.datasets.export import export_dataset
from learning.datasets.listing import counts_shown_to, excluded_of_dataset, scans_of_dataset
from learning.models import BaseSet, Dataset, DatasetScan, ExcludedScan, Exclusion, Split
from monitoring.lineage.queries import lineage_of_dataset

DATASETS = Dataset.objects.select_related("created_by").prefetch_related("sites", "base_sets")


class BaseSetSerializer(serializers.ModelSerializer):
    images = serializers.IntegerField(source="image_count", read_only=True)

    class Meta:
        model = BaseSet
        fields = ["id", "name", "licence", "images", "imported_at"]


class BaseSetField(NamedField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="name", **kwargs)

    def get_queryset(self) -> Any:
        return BaseSet.objects.all()


class DatasetSerializer(serializers.ModelSerializer):
    sites = NameOnly("slug", many=True)
    base_sets = NameOnly("name", many=True)
    created_by = NameOnly("username", allow_null=True)
    content_hash = serializers.SerializerMethodField(help_text="Null where scans of it are hidden from the caller.")
    counts = serializers.SerializerMethodField(
        help_text="Scans, images and patients, by split, source and reason. Scans that the caller, who reads blinded, "
        "has to decide on first are counted as `hidden` alone."
    )

    class Meta:
        model = Dataset
        fields = [
            "id",
            "content_hash",
            "sites",
            "base_sets",
            "previous",
            "with_synthetic",
            "consensus_only",
            "counts",
            "created_at",
            "created_by",
        ]

    def get_content_hash(self, dataset: Dataset) -> str | None:
        return None if self.context["counts"][dataset.pk].get("hidden") else dataset.content_hash

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_counts(self, dataset: Dataset) -> Any:
        return self.context["counts"][dataset.pk]


def shown_datasets(datasets: list[Dataset], request: Request) -> Any:
    context = {"request": request, "counts": counts_shown_to(caller(request), datasets)}
    return DatasetSerializer(datasets, many=True, context=context).data


class NewDataset(StrictSerializer):
    sites = SiteField(
        many=True, required=False, help_text="Slugs; all sites that the caller manages where none is named."
    )
    base_sets = BaseSetField(many=True, required=False, help_text="Names of imported sets.")
    with_synthetic = serializers.BooleanField(default=False)
    consensus_only = serializers.BooleanField(default=False, help_text="Leave out scans that one reader alone decided.")


class DatasetScanSerializer(serializers.ModelSerializer):
    split = serializers.ChoiceField(source="patient.split", choices=Split.choices, read_only=True)
    patient = serializers.CharField(read_only=True, help_text="A pseudonym that is the same in every data set.")
    case = serializers.SerializerMethodField(help_text="Null for base sets, and where the caller may not see the case.")
    reviews = serializers.ListField(source="review_ids", child=serializers.IntegerField(), read_only=True)
    slices = serializers.SerializerMethodField()

    class Meta:
        model = DatasetScan
        fields = ["name", "scan", "case", "patient", "split", "label", "source", "agreement", "reviews", "slices"]

    def to_representation(self, row: DatasetScan) -> dict[str, Any]:
        shown = super().to_representation(row)
        shown["patient"] = f"patient-{row.patient_id:06d}"
        if shown["case"] is None:
            shown["scan"] = None
        return shown

    @extend_schema_field({"type": ["integer", "null"]})
    def get_case(self, row: DatasetScan) -> int | None:
        return self.context["cases"].get(row.scan_id)

    @extend_schema_field({"type": "integer"})
    def get_slices(self, row: DatasetScan) -> int:
        return len(row.image_ids)


class ExcludedScanSerializer(serializers.ModelSerializer):
    case = serializers.IntegerField(source="scan.case_id", read_only=True)
    reason = serializers.ChoiceField(choices=Exclusion.choices, read_only=True)

    class Meta:
        model = ExcludedScan
        fields = ["scan", "case", "reason"]


class DatasetFilter(django_filters.FilterSet):
    site = django_filters.CharFilter(field_name="sites__slug", label="The slug of a site in it.")

    class Meta:
        model = Dataset
        fields: list[str] = []


EXAMPLE = OpenApiExample(
    "All that one site has labelled, beside a base set",
    value={"sites": ["north"], "base_sets": ["sars-cov-2-ct"], "consensus_only": True},
    request_only=True,
)


@extend_schema_view(list=extend_schema(summary="List base sets"))
class BaseSetViews(ListModelMixin, Resource):
    """Serves labelled folders from elsewhere, imported by the administrator on the command line."""

    serializer_class = BaseSetSerializer
    filter_backends = []

    def get_queryset(self) -> Any:
        require_somewhere(caller(self.request), Right.MANAGE)
        return BaseSet.objects.annotate(image_count=Count("images")).order_by("-pk")


class DatasetViews(ManagedResource):
    """Serves frozen data sets: scans with their labels, patients and splits."""

    queryset = DATASETS.order_by("-pk")
    serializer_class = DatasetSerializer
    filterset_class = DatasetFilter
    scopes = {"create": TRAIN}

    @extend_schema(summary="List data sets, the newest first")
    def list(self, request: Request) -> Response:
        return self.get_paginated_response(shown_datasets(self.page(), request))

    @extend_schema(summary="Read a data set")
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(shown_datasets([self.fetch()], request)[0])

    @extend_schema(
        summary="Freeze a data set",
        description="Where nothing has changed since an earlier one, that one is answered (200) and none is made.",
        request=NewDataset,
        responses={201: DatasetSerializer, 200: DatasetSerializer},
        examples=[EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        # Reading and hashing a large set takes a while; the building function opens its own transaction.
        return once(request, work=self._build, answer=self._build_response, atomic=False)

    @extend_schema(
        summary="List the scans in a data set",
        description="Without those that the caller, who reads blinded, has to decide on first.",
        responses=DatasetScanSerializer(many=True),
    )
    @action(detail=True, filterset_class=None, filter_backends=[])
    def scans(self, request: Request, pk: int) -> Response:
        rows = scans_of_dataset(self.fetch(), caller(request)).order_by("-pk")
        page = self.paginate_queryset(rows)
        wanted = [row.scan_id for row in page or [] if row.scan_id]
        note_shown(caller(request), wanted)
        cases = dict(Case.objects.visible_to(caller(request)).filter(scans__in=wanted).values_list("scans__pk", "pk"))
        return self.get_paginated_response(DatasetScanSerializer(page, many=True, context={"cases": cases}).data)

    @extend_schema(summary="Read where a data set comes from and where it was used", responses=DatasetLineageSerializer)
    @action(detail=True, filterset_class=None, filter_backends=[])
    def lineage(self, request: Request, pk: int) -> Response:
        return Response(DatasetLineageSerializer(lineage_of_dataset(self.fetch(), caller(request))).data)

    @extend_schema(summary="List the scans that were left out, and why", responses=ExcludedScanSerializer(many=True))
    @action(detail=True, filterset_class=None, filter_backends=[])
    def excluded(self, request: Request, pk: int) -> Response:
        rows = excluded_of_dataset(self.fetch(), caller(request)).select_related("scan").order_by("-pk")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(ExcludedScanSerializer(page, many=True).data)

    @extend_schema(
        summary="Take a data set away",
        description="A zip with a `manifest.csv` that `python -m ml` reads, its column `split` included; no identity.",
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    @action(detail=True, pagination_class=None, filterset_class=None, filter_backends=[])
    def export(self, request: Request, pk: int) -> StreamingHttpResponse:
        dataset = self.fetch()
        archive = export_dataset(dataset=dataset, user=caller(request))
        return zip_download(archive, name=f"data-set-{dataset.pk}")

    def _build(self) -> Receipt:
        user = caller(self.request)
        require_somewhere(user, Right.MANAGE)
        sent = NewDataset(data=self.request.data, context=self.context())
        sent.is_valid(raise_exception=True)
        facts = sent.validated_data
        dataset, created = build_dataset(
            user=user,
            sites=facts.get("sites") or list(sites_with(user, Right.MANAGE)),
            base_sets=facts.get("base_sets", []),
            with_synthetic=facts["with_synthetic"],
            consensus_only=facts["consensus_only"],
        )
        return {"dataset": dataset.pk, "created": created}

    def _build_response(self, receipt: Receipt) -> Response:
        dataset = get_object_or_404(self.get_queryset(), pk=receipt["dataset"])
        address = reverse("api:dataset-detail", kwargs={"pk": dataset.pk}, request=self.request)
        status = 201 if receipt["created"] else 200
        return Response(shown_datasets([dataset], self.request)[0], status=status, headers={"Location": address})
