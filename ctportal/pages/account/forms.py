from typing import Any

from allauth.account.forms import ChangePasswordForm, LoginForm, ResetPasswordForm
from django import forms
from django.http import HttpRequest

from accounts.mails import ask_for_reset_link
from accounts.tokens import revoke_tokens


class PlainLoginForm(LoginForm):
    """Has labels that say what to enter, instead of hints that vanish while typing."""

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


class NewPasswordForm(ChangePasswordForm):
    """Offers to end the API tokens with the old password; other sessions end in any case."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.user.api_tokens.filter(revoked_at=None).exists():
            self.fields["revoke_tokens"] = forms.BooleanField(
                label="Revoke my API tokens too",
                required=False,
                help_text="If somebody else may know the old password, they may have made tokens with it.",
            )

    def save(self) -> None:
        super().save()
        if self.cleaned_data.get("revoke_tokens"):
            revoke_tokens(of=self.user, by=self.user)
