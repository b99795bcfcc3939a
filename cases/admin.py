from django.contrib import admin

from accounts.admin import ReadOnlyAdmin
from cases.models import Case, Patient, Review, Scan, Slice

# The rules live in cases.casework, cases.uploads and cases.reviews, and each act is an event: so the administration
# looks, and changes nothing. It searches for nobody: its searches would be written into addresses.


@admin.register(Patient)
class PatientAdmin(ReadOnlyAdmin):
    list_display = ["id", "record_number", "name", "birth_date", "sex", "site", "is_synthetic"]
    list_filter = ["site", "is_synthetic"]
    list_select_related = ["site"]


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ["id", "patient", "accession_number", "priority", "status", "assigned_reader", "created_at"]
    list_filter = ["status", "priority", "patient__site"]
    list_select_related = ["patient", "assigned_reader"]
    date_hierarchy = "created_at"


@admin.register(Scan)
class ScanAdmin(ReadOnlyAdmin):
    list_display = ["id", "case", "kind", "status", "slice_count", "decision", "final_label", "uploaded_at"]
    list_filter = ["status", "kind", "decision", "final_label", "case__patient__site"]
    list_select_related = ["case"]
    date_hierarchy = "uploaded_at"


@admin.register(Slice)
class SliceAdmin(ReadOnlyAdmin):
    list_display = ["id", "scan", "position", "media_type", "width", "height"]
    list_filter = ["media_type"]
    list_select_related = ["scan"]
    exclude = ["original", "view"]


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ["id", "scan", "reader", "label", "model_decision", "agrees", "was_blinded", "created_at"]
    list_filter = ["label", "agrees", "was_blinded", "scan__case__patient__site"]
    list_select_related = ["scan", "reader"]
    date_hierarchy = "created_at"
