from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import ReadOnlyAdmin
from accounts.models import Event, EventQuerySet, User
from cases.clinical_admin import ClinicalAdmin
from cases.disclosure import note_told, without_hidden_reviews
from cases.models import Case, Patient, Review, Scan, Slice
from cases.reviews import reads_blinded

# The rules live in cases.casework, cases.uploads and cases.reviews, and each act is an event: so the administration
# looks, and changes nothing. It searches for nobody: its searches would be written into addresses.


@admin.register(Patient)
class PatientAdmin(ClinicalAdmin):
    list_display = ["id", "record_number", "name", "birth_date", "sex", "site", "is_synthetic"]
    list_filter = ["site", "is_synthetic"]
    list_select_related = ["site"]


@admin.register(Case)
class CaseAdmin(ClinicalAdmin):
    to_scans = "scans"
    list_display = ["id", "patient", "accession_number", "priority", "status", "assigned_reader", "created_at"]
    list_filter = ["status", "priority", "patient__site"]
    list_select_related = ["patient__site", "assigned_reader"]
    date_hierarchy = "created_at"


@admin.register(Scan)
class ScanAdmin(ClinicalAdmin):
    to_subject = "case"
    to_scans = "pk"
    list_display = ["id", "case", "kind", "status", "slice_count", "decision", "final_label", "uploaded_at"]
    list_filter = ["status", "kind", "decision", "final_label", "case__patient__site"]
    list_select_related = ["case__patient__site"]
    date_hierarchy = "uploaded_at"


@admin.register(Slice)
class SliceAdmin(ClinicalAdmin):
    to_subject = "scan.case"
    list_display = ["id", "scan", "position", "media_type", "width", "height"]
    list_filter = ["media_type"]
    list_select_related = ["scan__case__patient__site"]
    exclude = ["original", "view"]


@admin.register(Review)
class ReviewAdmin(ClinicalAdmin):
    to_subject = "scan.case"
    to_scans = "scan"
    list_display = ["id", "scan", "reader", "label", "model_decision", "agrees", "was_blinded", "created_at"]
    list_filter = ["label", "agrees", "was_blinded", "scan__case__patient__site"]
    list_select_related = ["scan__case__patient__site", "reader"]
    date_hierarchy = "created_at"


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor", "site", "action", "case_id"]
    list_filter = ["action", "site", "at"]
    list_select_related = ["actor", "site"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return without_hidden_reviews(cast(EventQuerySet, super().get_queryset(request)), cast(User, request.user))

    def get_exclude(self, request: HttpRequest, obj: Event | None = None) -> list[str]:
        """What details count, such as the scans of a data set, counts what is hidden too."""
        return ["details"] if reads_blinded(cast(User, request.user)) else []

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        event = super().get_object(request, object_id, from_field)
        note_told([event] if event is not None else [], cast(User, request.user))
        return event
