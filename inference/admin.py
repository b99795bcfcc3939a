from django.contrib import admin

from ctportal.accounts.admin import ReadOnlyAdmin
from inference.models import ModelVersion, Prediction, SliceAnswer

# Models are registered and put into service by commands, which check the artefact; workers write the rest.


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["name", "version", "architecture", "status", "registered_at", "activated_at"]
    list_filter = ["status", "architecture"]


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    list_display = ["id", "scan", "model_version", "status", "decision", "attempts", "queued_at", "finished_at"]
    list_filter = ["status", "decision", "model_version"]
    list_select_related = ["scan", "model_version"]
    date_hierarchy = "queued_at"


@admin.register(SliceAnswer)
class SliceAnswerAdmin(ReadOnlyAdmin):
    list_display = ["id", "prediction", "slice", "probability", "weight", "suitability"]
    list_select_related = ["prediction", "slice"]
    exclude = ["map_png"]
