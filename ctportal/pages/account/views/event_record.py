"""The record of events, for managers: who did or saw what, when."""

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from accounts.days import within_days
from accounts.logins import login_digest
from accounts.models import Action, Event, EventQuerySet
from accounts.origin import kept_address
from accounts.rights import Right, require_somewhere
from cases.disclosure import note_told, without_hidden_reviews
from ctportal.pages.account.event_text import event_in_words
from ctportal.pages.shared.day_input import DayInput
from ctportal.pages.shared.paging import BoundedPaginator
from ctportal.pages.shared.plain_text import PlainText
from ctportal.pages.shared.requests import PersonRequest

ROWS = 50


class EventFilter(PlainText, forms.Form):
    marks_optional = False

    action = forms.ChoiceField(label=_("What"), choices=[("", _("Anything")), *Action.choices], required=False)
    person = forms.CharField(label=_("Who"), max_length=150, required=False)
    case = forms.IntegerField(label=_("Case"), min_value=1, max_value=2**63 - 1, required=False)
    since = forms.DateField(label=_("From"), required=False, widget=DayInput)
    until = forms.DateField(label=_("Until"), required=False, widget=DayInput)
    source = forms.CharField(label=_("From address"), max_length=64, required=False)

    def choose(self, events: EventQuerySet) -> EventQuerySet:
        """Days are the user's own, from the first to the last moment of each."""
        self.full_clean()
        chosen = self.cleaned_data
        conditions = {"action": "action", "case": "case_id"}
        events = events.filter(**{path: chosen[name] for name, path in conditions.items() if chosen.get(name)})
        events = within_days(events, "at", chosen.get("since"), chosen.get("until"))
        if words := chosen.get("person"):
            name = Q(actor__username__icontains=words) | Q(actor__last_name__icontains=words)
            tried = Q(details__login=login_digest(words))  # a log-in under a name that nobody has
            events = events.filter(name | Q(actor__first_name__icontains=words) | tried)
        if source := chosen.get("source"):
            events = events.filter(Q(address__startswith=source) | Q(address=kept_address(source)))
        return events


@login_required
@require_GET
def list_events(request: PersonRequest) -> HttpResponse:
    require_somewhere(request.user, Right.MANAGE)
    form = EventFilter(request.GET)
    events = form.choose(Event.objects.visible_to(request.user).select_related("actor", "site"))
    events = without_hidden_reviews(events, request.user)
    page = BoundedPaginator(events, ROWS).get_page(request.GET.get("page"))
    note_told(page.object_list, request.user)
    told = [event_in_words(event) for event in page.object_list]
    return render(request, "events/events.html", {"form": form, "page": page, "told": told})
