from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "ctportal.api"
    label = "api"

    def ready(self) -> None:
        from ctportal.api import schema  # noqa: F401 - registers how the schema names our authentication
