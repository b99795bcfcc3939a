"""Addresses the pages of monitoring, of the models' cards, and of each answer's lineage: it lists them."""

from django.urls import URLPattern, path

from ctportal.pages.monitoring.views import lineage, model_page, monitoring

urlpatterns: list[URLPattern] = [
    path("monitoring/", monitoring.show_monitoring, name="monitoring"),
    path("monitoring/<slug:name>.csv", monitoring.download_table, name="monitoring-table"),
    path("models/<int:pk>/", model_page.show_model, name="model-detail"),
    path("models/<int:pk>/card.md", model_page.download_card, name="model-card"),
    path("predictions/<int:pk>/lineage/", lineage.show_prediction, name="prediction-lineage"),
    path("scans/<int:pk>/lineage/", lineage.show_scan, name="scan-lineage"),
    path("learning/datasets/<int:pk>/lineage/", lineage.show_dataset, name="dataset-lineage"),
]
