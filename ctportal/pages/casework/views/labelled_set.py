"""The labelled set: what is in it and why, and the zip to take away."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Site, User
from accounts.rights import Right, require_somewhere, sites_with
from cases.disclosure import note_shown
from cases.labelled_export import export_labelled_set
from cases.labelled_set import Standing, count_labels, labels_shown_to
from cases.models import Label, ScanQuerySet
from ctportal.downloads import zip_download
from ctportal.pages.casework.agreements import AGREEMENTS
from ctportal.pages.shared.paging import BoundedPaginator
from ctportal.pages.shared.requests import PersonRequest

ROWS = 50
ANY = [("", _("Any"))]


class LabelledSetFilter(forms.Form):
    marks_optional = False

    site = forms.ModelChoiceField(
        Site.objects.none(), label=_("Site"), required=False, empty_label=_("All sites"), to_field_name="slug"
    )
    standing = forms.ChoiceField(label=_("In the set"), choices=[*ANY, *Standing.choices], required=False)
    label = forms.ChoiceField(label=_("Final label"), choices=[*ANY, *Label.choices], required=False)
    agreement = forms.ChoiceField(label=_("Agreement"), choices=[*ANY, *AGREEMENTS.items()], required=False)
    synthetic = forms.BooleanField(label=_("Count synthetic scans in"), required=False)

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        self.fields["site"].queryset = sites_with(user, Right.MANAGE)  # type: ignore[attr-defined]

    def scans(self) -> ScanQuerySet:
        """What is chosen; a filter that is no choice of the form chooses nothing away."""
        chosen = self.cleaned_data if self.is_valid() else {}
        scans = labels_shown_to(self.user, with_synthetic=bool(chosen.get("synthetic")))
        if chosen.get("site"):
            scans = scans.filter(case__patient__site=chosen["site"])
        exact = ("label", "standing", "agreement")
        return scans.filter(**{name: chosen[name] for name in exact if chosen.get(name)})


@login_required
@require_GET
def show_labels(request: PersonRequest) -> HttpResponse:
    require_somewhere(request.user, Right.MANAGE)
    form = LabelledSetFilter(request.GET, user=request.user)
    scans = form.scans()
    counts = count_labels(scans)
    page = BoundedPaginator(scans, ROWS).get_page(request.GET.get("page"))
    note_shown(request.user, [scan.pk for scan in page.object_list if not scan.is_hidden])
    for scan in page.object_list:
        scan.standing_words = Standing(scan.standing).label
    context = {
        "form": form,
        "page": page,
        "by_site": counts.by_site,
        "by_standing": counts.by_standing,
        "by_agreement": counts.by_agreement,
        "covid": sum(site.covid for site in counts.by_site),
        "non_covid": sum(site.non_covid for site in counts.by_site),
        "included": sum(site.included for site in counts.by_site),
        "hidden": sum(site.hidden for site in counts.by_site),
    }
    return render(request, "labels/labels.html", context)


@login_required
@require_POST
def export_labels(request: PersonRequest) -> HttpResponseBase:
    require_somewhere(request.user, Right.MANAGE)
    archive = export_labelled_set(scans=LabelledSetFilter(request.POST, user=request.user).scans(), user=request.user)
    return zip_download(archive, name=f"labelled-set-{timezone.localdate():%Y-%m-%d}")
