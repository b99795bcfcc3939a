"""Serves comparisons of champion and challenger on the same frozen patients, and what people decide of them."""

from typing import Any

import django_filters
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.rights import Right, require_somewhere
from cases.disclosure import note_shown
from cases.models import Case
from cases.reviews import hidden_scans
from ctportal.api.fields import NameOnly, StrictSerializer
from ctportal.api.filters import LARGEST_ID, IdFilter
from ctportal.api.idempotency import Receipt, once
from ctportal.api.manager_only import ManagedResource
from ctportal.api.model_versions import ModelVersionSerializer
from ctportal.api.names import ModelNameSerializer
from ctportal.api.permissions import TRAIN
from ctportal.api.resource import caller
from inference.models import ModelVersion
from learning.comparison.requests import request_comparison
from learning.models import ComparedScan, Comparison, ComparisonRequest, Dataset, GateOverride
from learning.service.overrides import decide_override, request_override
from learning.service.promotion import check_promotion, promote

COMPARISONS = Comparison.objects.select_related("champion", "challenger").prefetch_related(
    "overrides__requested_by", "overrides__decided_by"
)


class OverrideSerializer(serializers.ModelSerializer):
    requested_by = NameOnly("username")
    decided_by = NameOnly("username", allow_null=True)

    class Meta:
        model = GateOverride
        fields = [
            "id",
            "status",
            "reason",
            "requested_by",
            "requested_at",
            "decided_by",
            "decided_at",
            "comment",
            "overridden",
        ]


class ComparisonSerializer(serializers.ModelSerializer):
    champion = ModelNameSerializer(read_only=True, help_text="In service when the two were compared.")
    challenger = ModelNameSerializer(read_only=True)
    figures = serializers.DictField(
        read_only=True, help_text="Of each model, false negatives first; paired differences with intervals; subgroups."
    )
    reasons = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="The promotion criteria and whether they are met."
    )
    overrides = OverrideSerializer(many=True, read_only=True)

    class Meta:
        model = Comparison
        fields = ["id", "dataset", "champion", "challenger", "passed", "reasons", "figures", "overrides", "created_at"]


class PromotionSerializer(serializers.Serializer):
    """Whether the challenger can be promoted by this comparison now."""

    possible = serializers.BooleanField(source="is_open")
    may_be_overridden = serializers.BooleanField(
        source="by_gate", help_text="Only promotion criteria forbid it; two people can override them."
    )
    rolled_back = serializers.BooleanField(help_text="The challenger has left service by a rollback since.")
    obstacles = serializers.ListField(child=serializers.CharField(), help_text="What forbids it, in sentences.")


class ComparisonDetailSerializer(ComparisonSerializer):
    promotion = serializers.SerializerMethodField()

    class Meta(ComparisonSerializer.Meta):
        fields = [*ComparisonSerializer.Meta.fields, "promotion"]

    @extend_schema_field(PromotionSerializer)
    def get_promotion(self, comparison: Comparison) -> dict[str, Any]:
        return PromotionSerializer(check_promotion(comparison)).data


class ComparedScanSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="dataset_scan.name", read_only=True)
    label = serializers.CharField(source="dataset_scan.label", read_only=True)  # type: ignore[assignment]
    case = serializers.SerializerMethodField(help_text="Null for base sets, and where the caller may not see the case.")
    changed = serializers.SerializerMethodField(help_text="The two models answer differently.")

    class Meta:
        model = ComparedScan
        fields = [
            "name",
            "label",
            "case",
            "champion_decision",
            "champion_probability",
            "challenger_decision",
            "challenger_probability",
            "changed",
        ]

    @extend_schema_field({"type": ["integer", "null"]})
    def get_case(self, row: ComparedScan) -> int | None:
        return self.context["cases"].get(row.dataset_scan.scan_id)

    def get_changed(self, row: ComparedScan) -> bool:
        return row.champion_decision != row.challenger_decision


class OverrideRequest(StrictSerializer):
    reason = serializers.CharField(
        max_length=1000, help_text="Why to promote against the criteria; it stays on record."
    )


class OverrideDecision(StrictSerializer):
    override = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, help_text="The number of the request.")
    approved = serializers.BooleanField()
    comment = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")


class ComparisonRequestSerializer(serializers.ModelSerializer):
    champion = ModelNameSerializer(read_only=True)
    challenger = ModelNameSerializer(read_only=True)

    class Meta:
        model = ComparisonRequest
        fields = [
            "id",
            "dataset",
            "champion",
            "challenger",
            "status",
            "error",
            "comparison",
            "requested_at",
            "finished_at",
        ]


class NewComparison(StrictSerializer):
    dataset = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    challenger = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, help_text="The number of a model.")


class ComparisonRequestViews(ManagedResource):
    """Asks a training worker to compare a model with the one in service; poll until it names the comparison."""

    queryset = ComparisonRequest.objects.select_related("champion", "challenger").order_by("-pk")
    serializer_class = ComparisonRequestSerializer
    filter_backends = []
    scopes = {"create": TRAIN}

    @extend_schema(summary="List requests, the newest first", tags=["comparisons"])
    def list(self, request: Request) -> Response:
        return self.get_paginated_response(ComparisonRequestSerializer(self.page(), many=True).data)

    @extend_schema(summary="Read a request", tags=["comparisons"])
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(ComparisonRequestSerializer(self.fetch()).data)

    @extend_schema(
        summary="Compare a model with the one in service",
        tags=["comparisons"],
        request=NewComparison,
        responses={201: ComparisonRequestSerializer},
    )
    def create(self, request: Request) -> Response:
        return once(request, work=self._compare, answer=self._compare_response)

    def _compare(self) -> Receipt:
        require_somewhere(caller(self.request), Right.MANAGE)
        sent = checked(NewComparison, self.request)
        dataset = _named("dataset", Dataset.objects.visible_to(caller(self.request)), sent["dataset"])
        challenger = _named("challenger", ModelVersion.objects.all(), sent["challenger"])
        asked = request_comparison(user=caller(self.request), dataset=dataset, challenger=challenger)
        return {"request": asked.pk}

    def _compare_response(self, receipt: Receipt) -> Response:
        asked = get_object_or_404(self.get_queryset(), pk=receipt["request"])
        address = reverse("api:comparison-request-detail", kwargs={"pk": asked.pk}, request=self.request)
        return Response(ComparisonRequestSerializer(asked).data, status=201, headers={"Location": address})


class ComparisonFilter(django_filters.FilterSet):
    dataset = IdFilter(field_name="dataset_id", label="The number of a data set.")
    challenger = IdFilter(field_name="challenger_id", label="The number of a model.")

    class Meta:
        model = Comparison
        fields: list[str] = []


class ComparisonViews(ManagedResource):
    """Both models on the test patients that neither has seen. They are made after each training run."""

    queryset = COMPARISONS.order_by("-pk")
    serializer_class = ComparisonSerializer
    filterset_class = ComparisonFilter
    scopes = {"promote": TRAIN, "override": TRAIN, "decide": TRAIN}

    @extend_schema(summary="List comparisons, the newest first")
    def list(self, request: Request) -> Response:
        return self.get_paginated_response(ComparisonSerializer(self.page(), many=True).data)

    @extend_schema(summary="Read a comparison", responses=ComparisonDetailSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(ComparisonDetailSerializer(self.fetch()).data)

    @extend_schema(
        summary="List the compared scans",
        description="Without those that the caller, who reads blinded, has to decide on first.",
        responses=ComparedScanSerializer(many=True),
    )
    @action(detail=True, filterset_class=None, filter_backends=[])
    def scans(self, request: Request, pk: int) -> Response:
        hidden = Q(dataset_scan__scan__in=hidden_scans(caller(request)))
        rows = self.fetch().scans.filter(Q(dataset_scan__scan=None) | ~hidden).select_related("dataset_scan")
        page = self.paginate_queryset(rows.order_by("-pk")) or []
        wanted = [row.dataset_scan.scan_id for row in page if row.dataset_scan.scan_id]
        note_shown(caller(request), wanted)
        cases = dict(Case.objects.visible_to(caller(request)).filter(scans__in=wanted).values_list("scans__pk", "pk"))
        return self.get_paginated_response(ComparedScanSerializer(page, many=True, context={"cases": cases}).data)

    @extend_schema(
        summary="Put the challenger into service",
        description="The challenger meets the promotion criteria, or a second person has approved overriding them; the "
        "champion must still be in service, and the challenger not rolled back since. Scans that are being answered "
        "finish with the old model.",
        request=None,
        responses=ModelVersionSerializer,
    )
    @action(detail=True, methods=["post"], filterset_class=None)
    def promote(self, request: Request, pk: int) -> Response:
        return once(request, work=self._promote, answer=self._promote_response, atomic=False)

    @extend_schema(
        summary="Ask to promote against the criteria",
        request=OverrideRequest,
        responses={201: ComparisonDetailSerializer},
    )
    @action(detail=True, methods=["post"], filterset_class=None)
    def override(self, request: Request, pk: int) -> Response:
        return once(request, work=self._ask_override, answer=self._ask_override_response)

    @extend_schema(
        summary="Decide, as a second person, on a promotion against the criteria",
        request=OverrideDecision,
        responses=ComparisonDetailSerializer,
    )
    @action(detail=True, methods=["post"], filterset_class=None)
    def decide(self, request: Request, pk: int) -> Response:
        return once(request, work=self._decide, answer=self._comparison_response)

    def _promote(self) -> Receipt:
        return {"model": promote(comparison=self.fetch(), user=caller(self.request)).pk}

    def _promote_response(self, receipt: Receipt) -> Response:
        return Response(ModelVersionSerializer(self.fetch().challenger).data)

    def _ask_override(self) -> Receipt:
        comparison = self.fetch()
        sent = checked(OverrideRequest, self.request)
        request_override(comparison=comparison, user=caller(self.request), reason=sent["reason"])
        return {}

    def _ask_override_response(self, receipt: Receipt) -> Response:
        comparison = self.fetch()
        address = reverse("api:comparison-detail", kwargs={"pk": comparison.pk}, request=self.request)
        return Response(ComparisonDetailSerializer(comparison).data, status=201, headers={"Location": address})

    def _decide(self) -> Receipt:
        comparison = self.fetch()
        sent = checked(OverrideDecision, self.request)
        override = comparison.overrides.filter(pk=sent["override"]).first()
        if override is None:
            raise serializers.ValidationError({"override": [_("This comparison has no such request.")]})
        decide_override(
            override=override, user=caller(self.request), approved=sent["approved"], comment=sent["comment"]
        )
        return {}

    def _comparison_response(self, receipt: Receipt) -> Response:
        return Response(ComparisonDetailSerializer(self.fetch()).data)


def checked(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    sent = serializer(data=request.data)
    sent.is_valid(raise_exception=True)
    return sent.validated_data


def _named(field: str, among: Any, pk: int) -> Any:
    found = among.filter(pk=pk).first()
    if found is None:
        raise serializers.ValidationError({field: [_("There is none that is yours to see.")]}, code="does_not_exist")
    return found
