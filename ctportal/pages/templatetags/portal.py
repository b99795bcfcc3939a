"""Small pieces of the pages: badges with a word beside their colour, icons, dates, names."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.rights import Right, rights_at
from cases.intake import Limits
from cases.models import Case, CaseStatus, Decision, Label, Priority
from cases.uploads import upload_limits
from ctportal.pages.casework.agreements import words_for_agreement
from ctportal.pages.casework.forms.case import AssignForm
from inference.models import ModelStatus
from monitoring.acceptance.state import Stage

register = template.Library()

register.filter("agreement_words", words_for_agreement)

# tone, icon: the tones are the classes tag-… of components.css
DECISION_BADGES = {
    Decision.COVID: ("alarm", "exclamation-triangle-fill"),
    Decision.UNCERTAIN: ("warn", "question-circle-fill"),
    Decision.UNSUITABLE: ("odd", "slash-circle"),
    Decision.NON_COVID: ("calm", "check-circle"),
}
LABEL_BADGES = {
    Label.COVID: ("alarm", "person-check-fill"),
    Label.NON_COVID: ("calm", "person-check-fill"),
    Label.CANNOT_TELL: ("odd", "person-check-fill"),
}
PRIORITY_BADGES = {
    Priority.EMERGENCY: ("emergency", "lightning-fill"),
    Priority.URGENT: ("warn", "chevron-double-up"),
    Priority.ROUTINE: ("quiet", "dash"),
}
STATUS_BADGES = {
    CaseStatus.OPEN: ("quiet", "circle"),
    CaseStatus.IN_REVIEW: ("info", "circle-half"),
    CaseStatus.DECIDED: ("calm", "check-circle"),
    CaseStatus.CLOSED: ("quiet", "check2"),
    CaseStatus.CANCELLED: ("quiet", "x-circle"),
}
ACCEPTANCE_LOOKS = {
    Stage.COLLECTING: ("quiet", "hourglass"),
    Stage.UNSUPPORTED: ("warn", "exclamation-triangle"),
    Stage.PROPOSED: ("info", "clipboard-check"),
    Stage.DECLINED: ("quiet", "x-circle"),
    Stage.ACCEPTED: ("calm", "check-circle"),
}
NOTICE_ICONS = {
    "success": "check-circle",
    "warning": "exclamation-triangle",
    "error": "exclamation-octagon",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draws a Bootstrap icon; it is always beside words, so it is never read out."""
    return format_html('<i class="bi bi-{}" aria-hidden="true"></i>', name)


@register.filter
def notice_icon(level: str) -> str:
    return NOTICE_ICONS.get(level, "info-circle")


MODEL_BADGES = {
    ModelStatus.CANDIDATE: ("info", "hourglass-split"),
    ModelStatus.ACTIVE: ("calm", "check-circle-fill"),
    ModelStatus.RETIRED: ("quiet", "archive"),
    ModelStatus.REFUSED: ("odd", "x-circle"),
}


def _badge(words: Any, look: tuple[str, str]) -> dict[str, Any]:
    return {"words": words, "tone": look[0], "icon_name": look[1]}


@register.inclusion_tag("components/_badge.html")
def badge(words: str, tone: str = "quiet", icon_name: str = "") -> dict[str, Any]:
    """Draws a badge in one of the tones alarm, emergency, warn, odd, calm, info, quiet."""
    return _badge(words, (tone, icon_name))


@register.inclusion_tag("components/_badge.html")
def decision_badge(decision: str | None) -> dict[str, Any]:
    """What the model says; no badge where it has not answered."""
    return _badge(Decision(decision).label, DECISION_BADGES[Decision(decision)]) if decision else {}


@register.inclusion_tag("components/_badge.html")
def label_badge(label: str | None) -> dict[str, Any]:
    """Shows what the readers decided; there is no badge before."""
    return _badge(Label(label).label, LABEL_BADGES[Label(label)]) if label else {}


@register.inclusion_tag("components/_badge.html")
def priority_badge(priority: str) -> dict[str, Any]:
    return _badge(Priority(priority).label, PRIORITY_BADGES[Priority(priority)])


@register.inclusion_tag("components/_badge.html")
def status_badge(status: str) -> dict[str, Any]:
    return _badge(CaseStatus(status).label, STATUS_BADGES[CaseStatus(status)])


@register.inclusion_tag("components/_badge.html")
def model_badge(status: str) -> dict[str, Any]:
    """Shows whether the model answers scans now."""
    return _badge(ModelStatus(status).label, MODEL_BADGES[ModelStatus(status)])


@register.inclusion_tag("components/_badge.html")
def acceptance_badge(stage: str) -> dict[str, Any]:
    """How far a site's acceptance of a model has got."""
    return _badge(Stage(stage).label, ACCEPTANCE_LOOKS[Stage(stage)])


@register.inclusion_tag("components/_badge.html")
def hidden_badge() -> dict[str, Any]:
    """Stands in for the model's answer at a blinded site until the reader has decided."""
    return _badge(_("Hidden until you decide"), ("quiet", "eye-slash"))


@register.inclusion_tag("components/_badge.html")
def disagreement_badge() -> dict[str, Any]:
    return _badge(_("Readers disagree"), ("warn", "people"))


@register.inclusion_tag("components/_badge.html")
def synthetic_badge(is_synthetic: bool = True) -> dict[str, Any]:
    return _badge(_("Synthetic"), ("synthetic", "cpu")) if is_synthetic else {}


@register.simple_tag
def when(moment: datetime | None, form: str = "DATETIME_FORMAT") -> SafeString | str:
    """Shows a moment in the user's zone, with the full instant for machines and on hover."""
    if moment is None:
        return "–"
    return _moment(moment, date_format(timezone.localtime(moment), form))


def _moment(moment: datetime, words: str) -> SafeString:
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), date_format(local, "l j F Y, H:i:s T"), words
    )


@register.simple_tag
def when_short(moment: datetime) -> SafeString | str:
    """Shows, for dense tables, the time today, the day this year, else the date."""
    local, now = timezone.localtime(moment), timezone.localtime()
    if local.date() == now.date():
        return _moment(moment, _("Today %(time)s") % {"time": date_format(local, "TIME_FORMAT")})
    if local.year != now.year:
        return when(moment, "DATE_FORMAT")
    return _moment(moment, f"{date_format(local, 'MONTH_DAY_FORMAT')}, {date_format(local, 'TIME_FORMAT')}")


@register.inclusion_tag("components/_state_word.html")
def status_word(status: str) -> dict[str, Any]:
    """Shows the status beside badges that matter more: an icon and a word, no colour."""
    return _badge(CaseStatus(status).label, STATUS_BADGES[CaseStatus(status)])


@register.simple_tag
def person(user: User | None, absent: str = "–") -> str:
    return user.display_name if user is not None else absent


@register.simple_tag
def actor(user: User | None, absent: str = "–") -> str:
    """Who did something, with the user name: display names change and repeat."""
    return user.name_on_record if user is not None else absent


@register.inclusion_tag("components/_sort_header.html", takes_context=True)
def sort_header(context: template.Context, words: str, name: str, order: str | None) -> dict[str, Any]:
    """A column's heading; a link that sorts by it, or turns its order round, where the list can be sorted."""
    if not order:
        return {"words": words}
    opposite = {"newest": "oldest", "oldest": "newest", "attention": "attention"}
    descends = order.startswith("-") or order == "newest"
    is_current = order.lstrip("-") == name or opposite.get(order) == name
    turned = opposite.get(order) or (name if descends else f"-{name}")
    query = context["request"].GET.copy()
    query.pop("page", None)
    query["sort"] = turned if is_current else name
    direction = ("descending" if descends else "ascending") if is_current else ""
    return {"words": words, "address": f"?{query.urlencode()}", "direction": direction}


ORDER_WORDS = {"attention": gettext_lazy("Most urgent first"), "teaching": gettext_lazy("Most useful for training")}


@register.inclusion_tag("cases/_order_choice.html", takes_context=True)
def order_choice(context: template.Context, order: str) -> dict[str, Any]:
    """The two orders that no column's heading gives, and what the second one means."""
    choices = []
    for name, words in ORDER_WORDS.items():
        query = context["request"].GET.copy()
        query.pop("page", None)
        query["sort"] = name
        choices.append({"words": words, "address": f"?{query.urlencode()}", "is_current": order == name})
    hides_answers = any(row.case.answer_hidden for row in context["rows"])
    return {"choices": choices, "teaches": order == "teaching", "hides_answers": hides_answers}


@register.inclusion_tag("cases/_assign.html", takes_context=True)
def assign_form(context: template.Context, case: Case) -> dict[str, Any]:
    """Who is to read the case: a choice of readers, and for a reader one press to take it."""
    request = context["request"]
    rights = rights_at(request.user, case.site)
    form = AssignForm(site=case.site, initial={"assigned_reader": case.assigned_reader}, auto_id="assign_%s")
    return {
        "case": case,
        "form": form,
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "next": request.get_full_path(),
        "can_take": Right.REVIEW in rights and case.assigned_reader_id != request.user.pk,
    }


@register.simple_tag(name="upload_limits")
def limits_of_upload() -> Limits:
    return upload_limits()
