"""Run beside the portal under test: makes cases to upload into, and prints how to come in as JSON."""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
django.setup()

from datetime import timedelta  # noqa: E402

from django.conf import settings  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import ApiToken, Site, User  # noqa: E402
from tests.inference.cast import member, new_case  # noqa: E402


def main(cases: int) -> None:
    site = Site.objects.create(name="Northern Radiology", slug="north")
    clara = member(site, "clinician", "clara")
    expires_at = timezone.now() + timedelta(days=1)
    token = ApiToken.objects.issue(user=clara, name="campaign", scopes=["upload", "read"], expires_at=expires_at)[1]
    made = [new_case(site, clara).pk for _ in range(cases)]
    cookies = {"cookie": cookie_of(clara), "manager_cookie": cookie_of(member(site, "manager", "max"))}
    print(json.dumps({"cases": made, "token": token, **cookies}))


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


if __name__ == "__main__":
    main(int(sys.argv[1]))
