"""Run beside the portal under test: makes a case to upload into, and prints its id and an upload token."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
django.setup()

from datetime import timedelta  # noqa: E402

from django.utils import timezone  # noqa: E402

from accounts.models import ApiToken, Site  # noqa: E402
from tests.inference.cast import member, new_case  # noqa: E402

if __name__ == "__main__":
    site = Site.objects.create(name="Northern Radiology", slug="north")
    clara = member(site, "clinician", "clara")
    case = new_case(site, clara)
    expires_at = timezone.now() + timedelta(days=1)
    print(case.pk, ApiToken.objects.issue(user=clara, name="campaign", scopes=["upload"], expires_at=expires_at)[1])
