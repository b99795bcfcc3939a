from typing import Any

from allauth.account.forms import LoginForm, ResetPasswordForm
from django.http import HttpRequest

from ctportal.accounts.mails import ask_for_reset_link


class PlainLoginForm(LoginForm):
    """Labels that say what to enter, instead of hints that vanish while typing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "User name or email address"
        self.fields["login"].widget.attrs |= {"autocomplete": "username", "autofocus": True, "spellcheck": "false"}
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class ResetLinkForm(ResetPasswordForm):
    """Asks for a link to choose a new password; whether the address has an account, only a worker looks up."""

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email = self.clean_email()
        ask_for_reset_link(email)
        return email
