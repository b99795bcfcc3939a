"""Addresses the pages of monitoring, of the models' cards, and of each answer's lineage: it lists them."""

from django.urls import URLPattern, path

from ctportal.pages.monitoring.views import lineage, model_page, monitoring, site_acceptance

urlpatterns: list[URLPattern] = [
    path("monitoring/", monitoring.show_monitoring, name="monitoring"),
    path("monitoring/<slug:name>.csv", monitoring.download_table, name="monitoring-table"),
    path("models/<int:pk>/", model_page.show_model, name="model-detail"),
    path("monitoring/acceptance/", site_acceptance.list_sites, name="site-acceptances"),
    path("models/<int:pk>/sites/<slug:slug>/", site_acceptance.show_site, name="site-acceptance"),
    path("models/<int:pk>/sites/<slug:slug>/accept/", site_acceptance.accept_point, name="site-acceptance-accept"),
    path("models/<int:pk>/sites/<slug:slug>/decline/", site_acceptance.decline_point, name="site-acceptance-decline"),
    path("models/<int:pk>/sites/<slug:slug>/revert/", site_acceptance.revert_point, name="site-acceptance-revert"),
    path("models/<int:pk>/card.md", model_page.download_card, name="model-card"),
    path("predictions/<int:pk>/lineage/", lineage.show_prediction, name="prediction-lineage"),
    path("scans/<int:pk>/lineage/", lineage.show_scan, name="scan-lineage"),
    path("learning/datasets/<int:pk>/lineage/", lineage.show_dataset, name="dataset-lineage"),
]
