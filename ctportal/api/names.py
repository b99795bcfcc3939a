"""Models by their names, inside other objects."""

from rest_framework import serializers

from inference.models import ModelVersion


class ModelNameSerializer(serializers.ModelSerializer):
    class Meta:
        model = ModelVersion
        fields = ["id", "name", "version"]
