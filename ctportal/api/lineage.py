"""Serves where an answer comes from, where a scan was used, and a model's card."""

from rest_framework_dataclasses.serializers import DataclassSerializer

from monitoring.card.model_card import ModelCard
from monitoring.lineage.results import DatasetLineage, ModelLineage, PredictionLineage, ScanLineage


class PredictionLineageSerializer(DataclassSerializer):
    class Meta:
        dataclass = PredictionLineage


class ScanLineageSerializer(DataclassSerializer):
    class Meta:
        dataclass = ScanLineage


class ModelLineageSerializer(DataclassSerializer):
    class Meta:
        dataclass = ModelLineage


class DatasetLineageSerializer(DataclassSerializer):
    class Meta:
        dataclass = DatasetLineage


class ModelCardSerializer(DataclassSerializer):
    class Meta:
        dataclass = ModelCard
