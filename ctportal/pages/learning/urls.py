"""The learning loop: data sets, training, comparison, promotion and rollback."""

from django.urls import path

from ctportal.pages.learning.views import comparisons, datasets, hub, service, shadow, training

urlpatterns = [
    path("learning/", hub.show_hub, name="learning"),
    path("learning/datasets/", datasets.list_datasets, name="dataset-list"),
    path("learning/datasets/new/", datasets.build, name="dataset-build"),
    path("learning/datasets/<int:pk>/", datasets.show_dataset, name="dataset-detail"),
    path("learning/datasets/<int:pk>/export/", datasets.export, name="dataset-export"),
    path("learning/runs/", training.list_runs, name="training-list"),
    path("learning/runs/new/", training.start, name="training-start"),
    path("learning/runs/<int:pk>/", training.show_run, name="training-run"),
    path("learning/runs/<int:pk>/progress/", training.show_progress, name="training-progress"),
    path("learning/runs/<int:pk>/cancel/", training.cancel, name="training-cancel"),
    path("learning/comparisons/", comparisons.list_comparisons, name="comparison-list"),
    path("learning/comparisons/<int:pk>/", comparisons.show_comparison, name="comparison"),
    path("learning/comparisons/<int:pk>/promote/", service.promote_challenger, name="model-promote"),
    path("learning/comparisons/<int:pk>/override/", service.ask_to_override, name="override-request"),
    path("learning/overrides/<int:pk>/decide/", service.decide, name="override-decide"),
    path("learning/models/<int:pk>/compare/", comparisons.compare_again, name="model-compare"),
    path("learning/models/<int:pk>/refuse/", service.refuse, name="model-refuse"),
    path("learning/models/<int:pk>/shadow/", shadow.show_shadow, name="shadow-report"),
    path("learning/models/<int:pk>/shadow/start/", shadow.start, name="shadow-start"),
    path("learning/models/<int:pk>/shadow/stop/", shadow.stop, name="shadow-stop"),
    path("learning/rollback/", service.roll_back_model, name="model-rollback"),
    path("learning/reread/", service.reread, name="cases-reread"),
]
