from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "ctportal.pages"
    label = "pages"
