"""The registered models: what each was measured to do, which is in service, and how that changes."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_dataclasses.serializers import DataclassSerializer

from accounts.rights import Right, require_somewhere
from ctportal.api.fields import ReasonSerializer, SiteField, StrictSerializer
from ctportal.api.idempotency import Receipt, once
from ctportal.api.lineage import ModelCardSerializer, ModelLineageSerializer
from ctportal.api.names import ModelNameSerializer
from ctportal.api.permissions import TRAIN
from ctportal.api.resource import Resource, caller
from inference.models import ModelVersion
from learning.service.promotion import refuse_model, roll_back
from learning.service.rereading import request_rereading
from learning.service.shadow import ShadowReport, shadow_report, start_shadow, stop_shadow
from monitoring.card.model_card import model_card
from monitoring.lineage.queries import lineage_of_model


class ModelVersionSerializer(serializers.ModelSerializer):
    parent = ModelNameSerializer(read_only=True, allow_null=True)

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "name",
            "version",
            "architecture",
            "status",
            "is_shadow",
            "parent",
            "sha256",
            "metrics",
            "thresholds",
            "card",
            "registered_at",
            "activated_at",
        ]


class ShadowReportSerializer(DataclassSerializer):
    class Meta:
        dataclass = ShadowReport


class RereadingRequest(StrictSerializer):
    sites = SiteField(many=True, required=False, help_text="Slugs; all that the caller manages where none is named.")


class RereadingAnswer(serializers.Serializer):
    scans = serializers.IntegerField(help_text="How many scans of open cases will be read again.")


class ModelVersionViews(Resource):
    """Models belong to the installation, so every caller sees the same; whoever manages all its sites decides."""

    queryset = ModelVersion.objects.select_related("parent").order_by("-pk")
    serializer_class = ModelVersionSerializer
    filterset_fields = ["status"]
    scopes = dict.fromkeys(("refuse", "roll_back", "start_shadow", "stop_shadow", "reread"), TRAIN)

    def get_queryset(self) -> Any:
        return self.queryset.all()

    @extend_schema(summary="List models, the newest first")
    def list(self, request: Request) -> Response:
        return self.get_paginated_response(ModelVersionSerializer(self.page(), many=True).data)

    @extend_schema(summary="Read a model's figures")
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(ModelVersionSerializer(self.get_object()).data)

    @extend_schema(summary="Read a model's card", responses=ModelCardSerializer)
    @action(detail=True, filterset_fields=None)
    def card(self, request: Request, pk: int) -> Response:
        return Response(ModelCardSerializer(model_card(self.get_object(), caller(request))).data)

    @extend_schema(summary="Read where a model comes from", responses=ModelLineageSerializer)
    @action(detail=True, filterset_fields=None)
    def lineage(self, request: Request, pk: int) -> Response:
        return Response(ModelLineageSerializer(lineage_of_model(self.get_object(), caller(request))).data)

    @extend_schema(summary="Refuse a candidate", request=ReasonSerializer, responses=ModelVersionSerializer)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: int) -> Response:
        return once(request, work=self._refuse, answer=self._model_response)

    @extend_schema(
        summary="Go back to the model before",
        description="Scans that are being answered finish with the present one; its answers stay on record.",
        request=ReasonSerializer,
        responses=ModelVersionSerializer,
    )
    @action(detail=False, methods=["post"], url_path="roll-back", pagination_class=None, filterset_fields=None)
    def roll_back(self, request: Request) -> Response:
        # These read artefacts or lock many cases: each opens the transactions that it needs.
        return once(request, work=self._roll_back, answer=self._rollback_response, atomic=False)

    @extend_schema(summary="Start a candidate's shadow mode", request=None, responses=ModelVersionSerializer)
    @action(detail=True, methods=["post"], url_path="start-shadow")
    def start_shadow(self, request: Request, pk: int) -> Response:
        return once(request, work=self._start_shadow, answer=self._model_response, atomic=False)

    @extend_schema(summary="Stop a candidate's shadow mode", request=None, responses=ModelVersionSerializer)
    @action(detail=True, methods=["post"], url_path="stop-shadow")
    def stop_shadow(self, request: Request, pk: int) -> Response:
        return once(request, work=self._stop_shadow, answer=self._model_response)

    @extend_schema(summary="Compare a candidate's answers in shadow mode", responses=ShadowReportSerializer)
    @action(detail=True, url_path="shadow-report", filterset_fields=None)
    def shadow_report(self, request: Request, pk: int) -> Response:
        return Response(ShadowReportSerializer(shadow_report(self.get_object(), user=caller(request))).data)

    @extend_schema(
        summary="Have open cases read again by the model in service",
        description="Earlier answers stay and stay visible.",
        request=RereadingRequest,
        responses=RereadingAnswer,
    )
    @action(detail=False, methods=["post"], pagination_class=None, filterset_fields=None)
    def reread(self, request: Request) -> Response:
        return once(request, work=self._reread, answer=self._reread_response, atomic=False)

    def _refuse(self) -> Receipt:
        refuse_model(model=self.get_object(), user=caller(self.request), reason=self._reason())
        return {}

    def _roll_back(self) -> Receipt:
        return {"model": roll_back(user=caller(self.request), reason=self._reason()).pk}

    def _start_shadow(self) -> Receipt:
        start_shadow(model=self.get_object(), user=caller(self.request))
        return {}

    def _stop_shadow(self) -> Receipt:
        stop_shadow(model=self.get_object(), user=caller(self.request))
        return {}

    def _reread(self) -> Receipt:
        sent = RereadingRequest(data=self.request.data, context=self.context())
        sent.is_valid(raise_exception=True)
        return {"scans": request_rereading(user=caller(self.request), sites=sent.validated_data.get("sites"))}

    def _reread_response(self, receipt: Receipt) -> Response:
        require_somewhere(caller(self.request), Right.MANAGE)
        return Response(receipt)

    def _reason(self) -> str:
        sent = ReasonSerializer(data=self.request.data)
        sent.is_valid(raise_exception=True)
        return sent.validated_data["reason"]

    def _model_response(self, receipt: Receipt) -> Response:
        return Response(ModelVersionSerializer(self.get_object()).data)

    def _rollback_response(self, receipt: Receipt) -> Response:
        require_somewhere(caller(self.request), Right.MANAGE)
        model = get_object_or_404(self.get_queryset(), pk=receipt["model"])
        return Response(ModelVersionSerializer(model).data)
