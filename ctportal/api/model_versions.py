"""The registered models: what each was measured to do, and which is in service."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin

from ctportal.api.resource import Resource
from inference.models import ModelVersion


class ModelNameSerializer(serializers.ModelSerializer):
    class Meta:
        model = ModelVersion
        fields = ["id", "name", "version"]


class ModelVersionSerializer(serializers.ModelSerializer):
    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "name",
            "version",
            "architecture",
            "status",
            "sha256",
            "metrics",
            "thresholds",
            "card",
            "registered_at",
            "activated_at",
        ]


@extend_schema_view(
    list=extend_schema(summary="List models, the newest first"),
    retrieve=extend_schema(summary="Read a model's card"),
)
class ModelVersionViews(ListModelMixin, RetrieveModelMixin, Resource):
    """Models belong to the installation, so every caller sees the same."""

    queryset = ModelVersion.objects.order_by("-pk")
    serializer_class = ModelVersionSerializer
    filterset_fields = ["status"]

    def get_queryset(self):  # type: ignore[no-untyped-def]
        return self.queryset.all()
