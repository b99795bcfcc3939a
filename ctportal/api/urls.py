from django.urls import URLPattern, URLResolver, include, path, re_path
from rest_framework.routers import SimpleRouter

from ctportal.api.cases import CaseViews
from ctportal.api.comparisons import ComparisonRequestViews, ComparisonViews
from ctportal.api.datasets import BaseSetViews, DatasetViews
from ctportal.api.labels import LabelViews
from ctportal.api.learning import LearningViews
from ctportal.api.model_versions import ModelVersionViews
from ctportal.api.monitoring import MonitoringViews
from ctportal.api.patients import PatientViews
from ctportal.api.predictions import PredictionViews
from ctportal.api.problem_views import NothingHere
from ctportal.api.reviews import ReviewViews, ScanReviewViews
from ctportal.api.scans import ScanViews
from ctportal.api.schema_views import DocsPage, SchemaDocument
from ctportal.api.site_acceptance import SiteAcceptanceViews
from ctportal.api.sites import CallerViews, SiteViews
from ctportal.api.slices import SliceViews
from ctportal.api.training_runs import TrainingRunViews
from ctportal.api.uploads import CaseScanViews

app_name = "api"

router = SimpleRouter(use_regex_path=False)
router.register("sites", SiteViews, basename="site")
router.register("patients", PatientViews, basename="patient")
router.register("cases", CaseViews, basename="case")
router.register("scans", ScanViews, basename="scan")
router.register("slices", SliceViews, basename="slice")
router.register("predictions", PredictionViews, basename="prediction")
router.register("reviews", ReviewViews, basename="review")
router.register("labels", LabelViews, basename="label")
router.register("base-sets", BaseSetViews, basename="base-set")
router.register("datasets", DatasetViews, basename="dataset")
router.register("training-runs", TrainingRunViews, basename="training-run")
router.register("comparison-requests", ComparisonRequestViews, basename="comparison-request")
router.register("comparisons", ComparisonViews, basename="comparison")
router.register("models", ModelVersionViews, basename="model")

v1: list[URLPattern | URLResolver] = [
    path("me/", CallerViews.as_view({"get": "retrieve"}), name="me"),
    path("cases/<int:pk>/scans/", CaseScanViews.as_view({"post": "create"}), name="case-scans"),
    path("scans/<int:pk>/reviews/", ScanReviewViews.as_view({"post": "create"}), name="scan-reviews"),
    path(
        "models/<int:pk>/sites/<slug:slug>/acceptance/",
        SiteAcceptanceViews.as_view({"get": "retrieve"}),
        name="site-acceptance",
    ),
    *(
        path(
            f"models/<int:pk>/sites/<slug:slug>/acceptance/{act}/",
            SiteAcceptanceViews.as_view({"post": act}),
            name=f"site-acceptance-{act}",
        )
        for act in ("accept", "decline", "revert")
    ),
    path("learning/next-step/", LearningViews.as_view({"get": "next_step"}), name="learning-next-step"),
    path("monitoring/", MonitoringViews.as_view({"get": "retrieve"}), name="monitoring"),
    path("monitoring/<slug:table>/", MonitoringViews.as_view({"get": "table"}), name="monitoring-table"),
    path("", include(router.urls)),
    path("schema/", SchemaDocument.as_view(), name="schema"),
    path("docs/", DocsPage.as_view(), name="docs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    re_path(r"^", NothingHere.as_view(), name="nothing"),
]
