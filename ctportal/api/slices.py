"""Serves slices: the picture to look at, the original to take away, and where the model looked."""

import django_filters
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpResponse
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.reverse import reverse

from accounts.events import record_event
from accounts.models import Action
from cases.disclosure import disclose
from cases.models import FILE_ENDINGS, Slice
from cases.storage import open_stored, read_view
from ctportal.api.fields import StrictSerializer
from ctportal.api.filters import LARGEST_ID, IdFilter
from ctportal.api.predictions import HIDDEN
from ctportal.api.resource import Resource, caller
from inference.models import Prediction, SliceAnswer

PNG = "image/png"
A_URL = {"type": "string", "format": "uri"}


class SliceSerializer(serializers.ModelSerializer):
    image = serializers.SerializerMethodField(help_text="The picture, an 8-bit grey PNG; CT in a lung window.")
    original = serializers.SerializerMethodField(help_text="As it is stored: de-identified, in its own format.")

    class Meta:
        model = Slice
        fields = ["id", "scan", "position", "width", "height", "media_type", "frame", "image", "original"]

    @extend_schema_field(A_URL)
    def get_image(self, slice_: Slice) -> str:
        return reverse("api:slice-image", kwargs={"pk": slice_.pk}, request=self.context["request"])

    @extend_schema_field(A_URL)
    def get_original(self, slice_: Slice) -> str:
        return reverse("api:slice-original", kwargs={"pk": slice_.pk}, request=self.context["request"])


class SliceFilter(django_filters.FilterSet):
    scan = IdFilter(field_name="scan_id", label="The number of a scan.")

    class Meta:
        model = Slice
        fields: list[str] = []


class WhichPrediction(StrictSerializer):
    prediction = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)


@extend_schema_view(
    list=extend_schema(summary="List slices in anatomical order, scan by scan"),
    retrieve=extend_schema(summary="Read what is known of a slice"),
)
class SliceViews(ListModelMixin, RetrieveModelMixin, Resource):
    """The pictures of a scan; position 0 is the first from the head."""

    queryset = Slice.objects.select_related("scan__case__patient__site").order_by("scan_id", "position")
    serializer_class = SliceSerializer
    filterset_class = SliceFilter
    query = {"map": frozenset(WhichPrediction().fields)}

    @extend_schema(summary="See a slice", responses={(200, PNG): OpenApiTypes.BINARY})
    @action(detail=True)
    def image(self, request: Request, pk: int) -> HttpResponse:
        slice_ = self.fetch()
        return HttpResponse(read_view(slice_), content_type=PNG, headers={"ETag": quote_etag(f"view-{slice_.pk}")})

    @extend_schema(
        summary="Download a slice's original",
        description="The download is an event on the case's record.",
        responses={(200, media_type): OpenApiTypes.BINARY for media_type in FILE_ENDINGS},
    )
    @action(detail=True)
    def original(self, request: Request, pk: int) -> FileResponse:
        slice_ = self.fetch()
        stored = open_stored(slice_, "original")
        record_event(
            Action.FILE_DOWNLOADED,
            actor=caller(request),
            site=slice_.site,
            case_id=slice_.scan.case_id,
            subject=slice_,
        )
        # What is stored never changes, so its name is tag enough.
        headers = {"ETag": quote_etag(f"original-{slice_.pk}")}
        response = FileResponse(stored, content_type=slice_.media_type, headers=headers)
        ending = FILE_ENDINGS.get(slice_.media_type, "bin")
        response["Content-Disposition"] = f'attachment; filename="slice-{slice_.pk}.{ending}"'
        return response

    @extend_schema(
        summary="See where the model looked",
        description="The class-activation map over the whole view, a small grey PNG: brighter speaks for COVID-19.",
        parameters=[OpenApiParameter("prediction", int, description="Whose map; else the one behind the answer.")],
        responses={(200, PNG): OpenApiTypes.BINARY},
    )
    @action(detail=True)
    def map(self, request: Request, pk: int) -> HttpResponse:
        slice_ = self.fetch()
        asked = WhichPrediction(data=request.query_params)
        asked.is_valid(raise_exception=True)
        if disclose(caller(request), [slice_.scan]):
            raise PermissionDenied(HIDDEN)
        wanted = asked.validated_data.get("prediction", slice_.scan.prediction_id)
        shown = Prediction.objects.shown().filter(pk=wanted)
        answer = SliceAnswer.objects.filter(slice=slice_, prediction__in=shown).first()
        if answer is None:
            raise Http404
        return HttpResponse(bytes(answer.map_png), content_type=PNG)
