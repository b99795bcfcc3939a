from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import ReadOnlyAdmin
from cases.clinical_admin import ClinicalAdmin
from inference.models import ModelVersion, Prediction, SiteAcceptance, SliceAnswer

# Models are registered and put into service by commands, which check the artefact; workers write the rest.


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["name", "version", "architecture", "status", "registered_at", "activated_at"]
    list_filter = ["status", "architecture"]


@admin.register(Prediction)
class PredictionAdmin(ClinicalAdmin):
    to_subject = "scan.case"
    to_scans = "scan"
    list_display = ["id", "scan", "model_version", "status", "decision", "attempts", "queued_at", "finished_at"]
    list_filter = ["status", "decision", "model_version"]
    list_select_related = ["scan__case__patient__site", "model_version"]
    date_hierarchy = "queued_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        """Not what a shadow says: it is compared, never looked at."""
        return super().get_queryset(request).filter(pk__in=Prediction.objects.shown())


@admin.register(SliceAnswer)
class SliceAnswerAdmin(ClinicalAdmin):
    to_subject = "prediction.scan.case"
    to_scans = "prediction__scan"
    list_display = ["id", "prediction", "slice", "probability", "weight", "suitability"]
    list_select_related = ["prediction__scan__case__patient__site", "slice"]
    exclude = ["map_png"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SliceAnswer]:
        return super().get_queryset(request).filter(prediction__in=Prediction.objects.shown())


@admin.register(SiteAcceptance)
class SiteAcceptanceAdmin(ReadOnlyAdmin):
    list_display = ["id", "site", "model_version", "number", "choice", "operating_point", "decided_by", "decided_at"]
    list_select_related = ["site", "model_version", "decided_by"]
    list_filter = ["choice", "site"]
    exclude = ["evidence", "figures"]
