from typing import Any

from allauth.account.forms import ChangePasswordForm, LoginForm, ResetPasswordForm
from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.language import zones
from accounts.mails import ask_for_reset_link
from accounts.models import Language, Site
from accounts.tokens import revoke_tokens


class PlainLoginForm(LoginForm):
    """Has labels that say what to enter, instead of hints that vanish while typing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("User name or email address")
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
                label=_("Revoke my API tokens too"),
                required=False,
                help_text=_("If somebody else may know the old password, they may have made tokens with it."),
            )

    def save(self) -> None:
        super().save()
        if self.cleaned_data.get("revoke_tokens"):
            revoke_tokens(of=self.user, by=self.user)


def language_field(none_chosen: str) -> forms.ChoiceField:
    choices = [("", none_chosen), *Language.choices]
    return forms.ChoiceField(label=_("Language"), choices=choices, required=False)


def zone_field(none_chosen: str) -> forms.ChoiceField:
    choices = [("", none_chosen), *((zone, zone.replace("_", " ")) for zone in zones())]
    return forms.ChoiceField(label=_("Time zone"), choices=choices, required=False)


class SiteForm(forms.Form):
    """What members of a site have who choose neither in their profile."""

    def __init__(self, data: Any = None, *, site: Site) -> None:
        super().__init__(data, initial={"language": site.language, "time_zone": site.time_zone})
        self.fields["language"] = language_field(_("As the browser"))
        self.fields["time_zone"] = zone_field(_("As the installation: %(zone)s") % {"zone": settings.TIME_ZONE})
