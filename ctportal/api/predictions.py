"""What the model says of a scan: waiting, running, done or failed; shown to whom it may be shown."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import django_filters
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework_dataclasses.serializers import DataclassSerializer

from accounts.models import User
from cases.disclosure import disclose
from cases.models import Scan
from cases.reviews import hidden_scans
from ctportal.api.filters import IdFilter
from ctportal.api.idempotency import Receipt, once
from ctportal.api.lineage import PredictionLineageSerializer
from ctportal.api.names import ModelNameSerializer
from ctportal.api.permissions import REVIEW, UPLOAD
from ctportal.api.resource import Resource, caller
from inference import what_is_claimed
from inference.answer_text import DISCLAIMER, describe, words_for_point
from inference.map_policy import MapPolicy, map_policy
from inference.models import Prediction, PredictionQuerySet, PredictionStatus, SliceAnswer, SuitabilityState
from inference.operating_point import lines_of
from inference.queue import retry
from inference.suitability import with_suitability
from monitoring.acceptance.state import SiteNote, SiteNotes
from monitoring.lineage.queries import lineage_of_prediction

HIDDEN = _("Decide first; this site's readers see the model's answer after their own decision.")


class HiddenAnswers:
    """Which scans' answers the caller must not see yet; the others count as shown. Serializers of answers ask it."""

    def __init__(self, user: User, scans: Iterable[Scan]) -> None:
        self.hidden = disclose(user, scans)
        self.notes = SiteNotes(user)

    def hides(self, scan_id: int) -> bool:
        return scan_id in self.hidden


class ClaimSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable; what the model was trained to see.")
    words = serializers.CharField()
    look_alikes = serializers.CharField()


class JudgedBySerializer(serializers.Serializer):
    source = serializers.ChoiceField(choices=["model", "site"])  # type: ignore[assignment]  # a Field's own name
    decision = serializers.IntegerField(allow_null=True, help_text="The number of the site's decision.")
    operating_point = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    words = serializers.CharField()


class ValidationSerializer(DataclassSerializer):
    class Meta:
        dataclass = SiteNote


class PredictionSerializer(serializers.ModelSerializer):
    model = ModelNameSerializer(source="model_version", read_only=True)
    place_in_queue = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="1 is next; null once it no longer waits."
    )
    headline = serializers.SerializerMethodField(help_text="The decision, or the state, in words.")
    explanation = serializers.SerializerMethodField()
    disclaimer = serializers.SerializerMethodField()
    suitability_state = serializers.ChoiceField(
        source="known_suitability", choices=SuitabilityState.choices, read_only=True, allow_blank=True
    )
    claim = serializers.SerializerMethodField(help_text="What the answer is about, and what it does not tell apart.")
    judged_by = serializers.SerializerMethodField(help_text="The operating point that judged it.")
    validation = serializers.SerializerMethodField(help_text="Whether the model is validated at the scan's site.")
    answer_hidden = serializers.SerializerMethodField(
        help_text="The answer is there, but this reader decides first: the site reads blinded."
    )

    ANSWER: ClassVar = (
        "decision",
        "probability",
        "raw_probability",
        "suitability",
        "suitability_state",
        "judged_by",
        "validation",
    )

    class Meta:
        model = Prediction
        fields = [
            "id",
            "scan",
            "status",
            "place_in_queue",
            "decision",
            "probability",
            "raw_probability",
            "suitability",
            "suitability_state",
            "headline",
            "explanation",
            "claim",
            "judged_by",
            "validation",
            "disclaimer",
            "answer_hidden",
            "model",
            "engine",
            "duration_ms",
            "error",
            "queued_at",
            "started_at",
            "finished_at",
        ]

    def to_representation(self, prediction: Prediction) -> dict[str, Any]:
        shown = super().to_representation(prediction)
        if self._is_hidden(prediction):
            shown |= dict.fromkeys(self.ANSWER)
        return shown

    def get_headline(self, prediction: Prediction) -> str:
        return "Hidden until you decide" if self._is_hidden(prediction) else describe(prediction).headline

    def get_explanation(self, prediction: Prediction) -> str:
        return str(HIDDEN) if self._is_hidden(prediction) else describe(prediction).explanation

    @extend_schema_field(ClaimSerializer)
    def get_claim(self, prediction: Prediction) -> dict[str, str]:
        return {
            "code": what_is_claimed.CODE,
            "words": str(what_is_claimed.CLAIM),
            "look_alikes": str(what_is_claimed.LOOK_ALIKES),
        }

    @extend_schema_field(JudgedBySerializer(allow_null=True))
    def get_judged_by(self, prediction: Prediction) -> dict[str, Any] | None:
        """Null until there is an answer."""
        if not prediction.is_done or self._is_hidden(prediction):
            return None
        lines, point = lines_of(prediction), prediction.site_point
        return {
            "source": "site" if point is not None else "model",
            "decision": point.number if point is not None else None,
            "operating_point": lines.point if lines.are_stated else None,
            "low": lines.low if lines.are_stated else None,
            "high": lines.high if lines.are_stated else None,
            "words": words_for_point(prediction),
        }

    @extend_schema_field(ValidationSerializer(allow_null=True))
    def get_validation(self, prediction: Prediction) -> dict[str, Any] | None:
        if not prediction.is_done or self._is_hidden(prediction):
            return None
        sight: HiddenAnswers = self.context["sight"]
        return ValidationSerializer(sight.notes.of(prediction.site, prediction.model_version)).data

    def get_disclaimer(self, prediction: Prediction) -> str:
        return str(DISCLAIMER)

    def get_answer_hidden(self, prediction: Prediction) -> bool:
        return self._is_hidden(prediction)

    def _is_hidden(self, prediction: Prediction) -> bool:
        sight: HiddenAnswers = self.context["sight"]
        return prediction.is_done and sight.hides(prediction.scan_id)


class SliceAnswerSerializer(serializers.ModelSerializer):
    position = serializers.IntegerField(source="slice.position", read_only=True)
    map = serializers.SerializerMethodField(help_text="The class-activation map, a small grey PNG over the whole view.")

    class Meta:
        model = SliceAnswer
        fields = ["slice", "position", "probability", "weight", "suitability", "map"]

    @extend_schema_field({"type": "string", "format": "uri"})
    def get_map(self, answer: SliceAnswer) -> str:
        url = reverse("api:slice-map", kwargs={"pk": answer.slice_id}, request=self.context["request"])
        return f"{url}?prediction={answer.prediction_id}"


class MapPolicySerializer(DataclassSerializer):
    class Meta:
        dataclass = MapPolicy


class PredictionDetailSerializer(PredictionSerializer):
    slices = SliceAnswerSerializer(source="slice_answers", many=True, read_only=True)
    maps = serializers.SerializerMethodField(help_text="Whether the maps are to be shown without being asked for.")

    class Meta(PredictionSerializer.Meta):
        fields = [*PredictionSerializer.Meta.fields, "maps", "slices"]

    @extend_schema_field(MapPolicySerializer)
    def get_maps(self, prediction: Prediction) -> dict[str, Any]:
        return MapPolicySerializer(map_policy(prediction.model_version)).data

    def to_representation(self, prediction: Prediction) -> dict[str, Any]:
        shown = super().to_representation(prediction)
        if self._is_hidden(prediction):
            shown["slices"] = []
        return shown


class PredictionFilter(django_filters.FilterSet):
    scan = IdFilter(field_name="scan_id", label="The number of a scan.")
    case = IdFilter(field_name="scan__case_id", label="The number of a case.")
    status = django_filters.ChoiceFilter(choices=PredictionStatus.choices, label="The state.")
    suitability_state = django_filters.ChoiceFilter(
        choices=SuitabilityState.choices,
        method="filter_suitability",
        label="Whether the scan is like the training data, of answers that show.",
    )

    class Meta:
        model = Prediction
        fields: list[str] = []

    def filter_suitability(self, rows: PredictionQuerySet, name: str, value: str) -> PredictionQuerySet:
        """What a blinded reader must not know yet is left out whatever it is."""
        return with_suitability(rows, value).exclude(scan__in=hidden_scans(self.request.user))


PREDICTIONS = (
    Prediction.objects.shown()
    .select_related("model_version", "site_point__site", "scan__case__patient__site")
    .with_place()
)


class PredictionViews(Resource):
    """Serves one model's answer to one scan. Poll with `If-None-Match`: 304 means that nothing has changed."""

    queryset = PREDICTIONS.order_by("-pk")
    serializer_class = PredictionSerializer
    filterset_class = PredictionFilter
    scopes = {"retry": UPLOAD | REVIEW}
    lists = "predictions"

    @extend_schema(summary="List predictions, the newest first")
    def list(self, request: Request) -> Response:
        rows = self.page()
        return self.get_paginated_response(self._shown(rows, PredictionSerializer, many=True))

    @extend_schema(summary="Read a prediction, slice by slice", responses=PredictionDetailSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        prediction = self.fetch()
        return Response(self._shown([prediction], PredictionDetailSerializer))

    @extend_schema(summary="Read where an answer comes from", responses=PredictionLineageSerializer)
    @action(detail=True, filterset_class=None)
    def lineage(self, request: Request, pk: int) -> Response:
        prediction = self.fetch()
        return Response(PredictionLineageSerializer(lineage_of_prediction(prediction, caller(request))).data)

    @extend_schema(summary="Try a failed prediction again", request=None, responses={201: PredictionDetailSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        return once(request, work=self._retry, answer=self._retry_response)

    def _retry(self) -> Receipt:
        prediction = self.fetch()
        retry(prediction=prediction, user=caller(self.request))
        return {}

    def _retry_response(self, receipt: Receipt) -> Response:
        return Response(self._shown([self.fetch()], PredictionDetailSerializer), status=200)

    def _shown(self, rows: Sequence[Prediction], serializer: type[PredictionSerializer], *, many: bool = False) -> Any:
        context = self.context(sight=HiddenAnswers(caller(self.request), [row.scan for row in rows]))
        return serializer(rows if many else rows[0], many=many, context=context).data
