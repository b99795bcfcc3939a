from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "ctportal.demo"
    label = "demo"
