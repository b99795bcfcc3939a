from django.contrib import admin
from django.urls import include, path

from ctportal.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.account.urls")),
    path("api/", include("ctportal.api.urls")),
    path("", include("ctportal.pages.urls")),
]

handler400 = "ctportal.pages.refusals.bad_request"
