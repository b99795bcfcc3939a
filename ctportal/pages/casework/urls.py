"""Casework: the worklist, patients, cases, uploads, and the frame's own addresses."""

from django.urls import path

from ctportal.pages.account.views import help_page, session, theme
from ctportal.pages.casework.views import cases, patients, upload, worklist

urlpatterns = [
    path("", worklist.show_worklist, name="worklist"),
    path("patients/", patients.list_patients, name="patient-list"),
    path("patients/new/", patients.create_patient, name="patient-create"),
    path("patients/<int:pk>/", patients.show_patient, name="patient-detail"),
    path("patients/<int:pk>/edit/", patients.edit_patient, name="patient-edit"),
    path("cases/new/", cases.create_case, name="case-create"),
    path("cases/<int:pk>/edit/", cases.edit_case, name="case-edit"),
    path("cases/<int:pk>/assign/", cases.assign_case, name="case-assign"),
    path("cases/<int:pk>/upload/", upload.upload_to_case, name="case-upload"),
    path("session/", session.show_session, name="session"),
    path("theme/", theme.choose_theme, name="theme"),
    path("help/", help_page.show_help, name="help"),
]
