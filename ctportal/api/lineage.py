"""Where an answer comes from, and what a scan has taught; a model's card."""

from inference.model_card import ModelCard
from inference.monitoring.traces import DatasetLineage, ModelLineage, PredictionLineage, ScanLineage
from rest_framework_dataclasses.serializers import DataclassSerializer


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
