from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from django.views.defaults import page_not_found

from ctportal.api import problems
from ctportal.health import healthz, live, ready
from ctportal.pages.shared import refusals


def administrators_only(request: HttpRequest) -> HttpResponse:
    """Whoever holds the address can set a new password, so nobody changes it from an open session."""
    return page_not_found(request, Http404())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """As whoever asked expects it: a problem document for programs, a page for people."""
    form = problems if request.path.startswith("/api/") else refusals
    return form.bad_request(request, exception)


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("healthz/live", live, name="healthz_live"),
    path("healthz/ready", ready, name="healthz_ready"),
    path("admin/", admin.site.urls),
    path("accounts/email/", administrators_only, name="account_email"),
    path("accounts/", include("allauth.account.urls")),
    path("api/", include("ctportal.api.urls")),
    path("", include("ctportal.pages.urls")),
]

handler500 = "ctportal.failures.failed"
handler400 = "ctportal.urls.bad_request"
