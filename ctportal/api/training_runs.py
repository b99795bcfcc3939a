"""Training runs: planned, started by a person, watched, cancelled."""

from typing import Any

import django_filters
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.rights import Right, require_somewhere
from ctportal.api.fields import NameOnly, StrictSerializer
from ctportal.api.filters import LARGEST_ID, IdFilter
from ctportal.api.idempotency import Receipt, once
from ctportal.api.learning import RequirementSerializer
from ctportal.api.manager_only import ManagedResource
from ctportal.api.names import ModelNameSerializer
from ctportal.api.permissions import TRAIN
from ctportal.api.resource import caller
from inference.models import ModelVersion
from learning.models import Dataset, Method, TrainingRun, TrainingStatus
from learning.training.recipes import WEIGHTS
from learning.training.request import cancel_training, parent_in_service, plan_training, request_training
from learning.training.shown_runs import shown_run, shown_runs
from ml.model.topology import BLOCKS

RUNS = TrainingRun.objects.select_related("requested_by", "parent", "model")


class TrainingRunSerializer(serializers.ModelSerializer):
    parent = ModelNameSerializer(read_only=True, allow_null=True)
    model = ModelNameSerializer(read_only=True, allow_null=True, help_text="The model that was trained.")
    requested_by = NameOnly("username", allow_null=True)
    settings = serializers.DictField(read_only=True)
    progress = serializers.DictField(
        read_only=True,
        help_text="Stage, epochs, curves, seconds left; as it goes on. Without curves, and `log_tail` without lines, "
        "where the data set holds scans that you read blinded and have to decide on first.",
    )

    class Meta:
        model = TrainingRun
        fields = [
            "id",
            "dataset",
            "method",
            "parent",
            "settings",
            "status",
            "progress",
            "log_tail",
            "error",
            "model",
            "requested_by",
            "requested_at",
            "cancel_requested_at",
            "started_at",
            "finished_at",
        ]


class TrainingSettings(StrictSerializer):
    epochs = serializers.IntegerField(min_value=1, max_value=500, required=False, help_text="Of `finetune`, at most.")
    rate = serializers.FloatField(
        min_value=1e-7, max_value=0.1, required=False, help_text="Of `finetune`, at its peak."
    )
    batch = serializers.IntegerField(min_value=2, max_value=512, required=False, help_text="Of `finetune`.")
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)
    replay = serializers.BooleanField(required=False, help_text="Use the base sets' images too; true where not sent.")


class NetworkSettings(StrictSerializer):
    architecture = serializers.ChoiceField(choices=sorted(BLOCKS), required=False)
    stages = serializers.IntegerField(min_value=3, max_value=4, required=False, help_text="3 ends after conv4.")
    filters = serializers.IntegerField(min_value=8, max_value=64, required=False)
    height = serializers.IntegerField(min_value=64, max_value=1024, required=False, help_text="Of the input.")
    width = serializers.IntegerField(min_value=64, max_value=1024, required=False)
    weights = serializers.ChoiceField(choices=WEIGHTS, required=False)


class NewTrainingRun(StrictSerializer):
    dataset = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    method = serializers.ChoiceField(choices=Method.choices, default=Method.HEAD)
    parent = serializers.IntegerField(  # type: ignore[assignment]  # a Field's own name
        min_value=1,
        max_value=LARGEST_ID,
        required=False,
        help_text="The model to start from; the one in service where none is named.",
    )
    from_scratch = serializers.BooleanField(
        default=False, help_text="Start from no model: `network` says which network."
    )
    settings = TrainingSettings(required=False)
    network = NetworkSettings(required=False)
    again = serializers.BooleanField(
        default=False, help_text="Train although an earlier run had the same data and settings."
    )

    def validate_dataset(self, pk: int) -> Dataset:
        dataset = Dataset.objects.visible_to(self.context["request"].user).filter(pk=pk).first()
        if dataset is None:
            raise serializers.ValidationError(
                _("There is no such data set that is yours to see."), code="does_not_exist"
            )
        return dataset

    def validate_parent(self, pk: int) -> ModelVersion:
        model = ModelVersion.objects.filter(pk=pk).first()
        if model is None:
            raise serializers.ValidationError(_("There is no such model."), code="does_not_exist")
        return model


class PlanSerializer(serializers.Serializer):
    patients = serializers.IntegerField(help_text="Patients to learn from; one may have scans with and without.")
    scans = serializers.IntegerField(help_text="Their scans.")
    images = serializers.IntegerField()
    settings = serializers.DictField(help_text="With what was not sent filled in.")
    covid = serializers.IntegerField(help_text="Patients with COVID-19 to learn from.")
    non_covid = serializers.IntegerField(help_text="Patients with a scan without COVID-19.")
    test_patients = serializers.IntegerField()
    seconds = serializers.FloatField(
        allow_null=True, help_text="How long it will take; null where nothing is known yet."
    )
    based_on = serializers.CharField(help_text="What the time is estimated from.")
    refusals = serializers.ListField(
        child=serializers.CharField(), help_text="Why it would be refused; empty: it may start."
    )
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What to know first, such as that no comparison could follow."
    )
    requirements = RequirementSerializer(many=True)
    same_as = serializers.IntegerField(
        source="same_as.pk", allow_null=True, default=None, help_text="An earlier run with the same data and settings."
    )


class TrainingRunFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=TrainingStatus.choices, label="The state.")
    dataset = IdFilter(field_name="dataset_id", label="The number of a data set.")

    class Meta:
        model = TrainingRun
        fields: list[str] = []


EXAMPLE = OpenApiExample("Fit the last layer again", value={"dataset": 3, "method": "head"}, request_only=True)


class TrainingRunViews(ManagedResource):
    """Serves training runs: one at a time in the installation, each started by a person."""

    queryset = RUNS.order_by("-pk")
    serializer_class = TrainingRunSerializer
    filterset_class = TrainingRunFilter
    scopes = {"create": TRAIN, "cancel": TRAIN, "plan": TRAIN}
    computing = frozenset({"plan"})

    @extend_schema(summary="List training runs, the newest first")
    def list(self, request: Request) -> Response:
        return self.get_paginated_response(
            TrainingRunSerializer(shown_runs(self.page(), caller(request)), many=True).data
        )

    @extend_schema(summary="Watch a training run")
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(TrainingRunSerializer(shown_run(self.fetch(), caller(self.request))).data)

    @extend_schema(
        summary="Start a training run",
        request=NewTrainingRun,
        responses={201: TrainingRunSerializer},
        examples=[EXAMPLE],
    )
    def create(self, request: Request) -> Response:
        return once(request, work=self._start, answer=self._start_response)

    @extend_schema(
        summary="Ask what a training run would use and how long it would take",
        request=NewTrainingRun,
        responses=PlanSerializer,
    )
    @action(detail=False, methods=["post"], pagination_class=None, filterset_class=None)
    def plan(self, request: Request) -> Response:
        facts = self._facts()
        facts.pop("again")
        return Response(PlanSerializer(plan_training(user=caller(request), **facts)).data)

    @extend_schema(summary="Cancel a training run", request=None, responses=TrainingRunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        return once(request, work=self._cancel, answer=self._cancel_response)

    def _facts(self) -> dict[str, Any]:
        require_somewhere(caller(self.request), Right.MANAGE)
        sent = NewTrainingRun(data=self.request.data, context=self.context())
        sent.is_valid(raise_exception=True)
        facts = dict(sent.validated_data)
        facts["settings"] = {**facts.pop("network", {}), **facts.get("settings", {})}
        facts["parent"] = None if facts.pop("from_scratch") else facts.get("parent") or parent_in_service()
        return facts

    def _start(self) -> Receipt:
        return {"run": request_training(user=caller(self.request), **self._facts()).pk}

    def _start_response(self, receipt: Receipt) -> Response:
        run = get_object_or_404(self.get_queryset(), pk=receipt["run"])
        address = reverse("api:training-run-detail", kwargs={"pk": run.pk}, request=self.request)
        return Response(
            TrainingRunSerializer(shown_run(run, caller(self.request))).data, status=201, headers={"Location": address}
        )

    def _cancel(self) -> Receipt:
        cancel_training(run=self.fetch(), user=caller(self.request))
        return {}

    def _cancel_response(self, receipt: Receipt) -> Response:
        return Response(TrainingRunSerializer(shown_run(self.fetch(), caller(self.request))).data)
