from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "ctportal.api"
    label = "api"
