from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "ctportal.accounts"
    label = "accounts"

    def ready(self) -> None:
        from ctportal.accounts import account_events, checks, signals  # noqa: F401
