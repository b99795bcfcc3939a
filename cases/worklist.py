"""Which cases a person sees, in which order, and whose answer still has to stay out of sight.

At a blinded site a reader must not learn what the model says of a scan before deciding on it. So every
list goes through `cases_shown_to`, which gives each case `answer_hidden` and a `shown_` value beside each that tells
of the answer or of what colleagues decided; filters and orders use those, never `decision`, `final_label`, `status`,
`attention` or `label_value` themselves.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import (
    BooleanField,
    CharField,
    Exists,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    SmallIntegerField,
    Value,
    When,
)
from django.db.models import Case as Choose

from accounts.days import within_days
from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.models import RANK_OF_DECIDED, Case, CaseQuerySet, CaseStatus, Patient, Priority, Scan
from cases.reviews import still_blinded
from cases.search import cases_mentioning, words_of

ACTIVE: Final = "active"

# Where the answer is hidden, every case of one priority ranks alike, like a case not yet answered.
RANK_WITHOUT_ANSWER = Choose(
    When(priority=Priority.EMERGENCY, then=Value(2)),
    When(priority=Priority.URGENT, then=Value(12)),
    default=Value(22),
    output_field=SmallIntegerField(),
)

# What a list can be sorted by; each ends in a unique column, so that pages never overlap.
ORDERS: Final[dict[str, tuple[str, ...]]] = {
    "attention": ("shown_rank", "created_at", "pk"),
    "teaching": ("-needs_review", "-shown_label_value", "created_at", "pk"),
    "newest": ("-created_at", "-pk"),
    "oldest": ("created_at", "pk"),
    "patient": ("patient__name", "pk"),
    "-patient": ("-patient__name", "-pk"),
    "accession": ("accession_number", "pk"),
    "-accession": ("-accession_number", "-pk"),
    "reader": ("assigned_reader__username", "pk"),
    "-reader": ("-assigned_reader__username", "-pk"),
}
DEFAULT_ORDER: Final = "attention"


@dataclass(frozen=True)
class WorklistFilter:
    """What a list is narrowed to; empty means everything."""

    search: str = ""
    status: str = ""  # one CaseStatus, or ACTIVE: neither closed nor cancelled
    priority: str = ""
    decision: str = ""
    label: str = ""
    needs_review: bool | None = None
    readers_disagree: bool | None = None
    reader: User | None = None
    site: Site | None = None
    patient: Patient | None = None
    opened_from: date | None = None
    opened_to: date | None = None


def worklist(user: User, wanted: WorklistFilter | None = None, *, order: str = DEFAULT_ORDER) -> CaseQuerySet:
    cases = narrow(cases_shown_to(user), wanted or WorklistFilter())
    return cases.order_by(*ORDERS[order])


def cases_shown_to(user: User | AnonymousUser) -> CaseQuerySet:
    """Returns the user's cases, each with `answer_hidden` and `shown_` decision, label, attention and label_value."""
    cases = Case.objects.visible_to(user).select_related("patient__site", "assigned_reader")
    # Most people read at no blinded site; their list then stays one that an index answers.
    blinded = list(sites_with(user, Right.REVIEW).filter(blinded_reads=True).values_list("pk", flat=True))
    if not blinded:
        return cases.annotate(
            answer_hidden=Value(False, output_field=BooleanField()),
            shown_decision=F("decision"),
            shown_label=F("final_label"),
            shown_status=F("status"),
            shown_disagreement=F("readers_disagree"),
            shown_attention=F("attention"),
            shown_rank=F("worklist_rank"),
            shown_label_value=F("label_value"),
        )
    return cases.annotate(answer_hidden=_hidden_at(blinded, user)).annotate(
        shown_decision=_unless_hidden("decision"),
        shown_label=_unless_hidden("final_label"),
        # That a case is in review and still to be read would tell that colleagues disagree.
        shown_status=Choose(
            When(answer_hidden=True, status=CaseStatus.IN_REVIEW, then=Value(CaseStatus.OPEN.value)),
            default=F("status"),
            output_field=CharField(),
        ),
        shown_disagreement=Choose(
            When(answer_hidden=True, then=Value(None)),
            default=F("readers_disagree"),
            output_field=BooleanField(null=True),
        ),
        shown_attention=Choose(
            When(answer_hidden=True, then=RANK_WITHOUT_ANSWER),
            default=F("attention"),
            output_field=SmallIntegerField(),
        ),
        shown_rank=Choose(
            When(answer_hidden=True, needs_review=True, then=RANK_WITHOUT_ANSWER),
            When(answer_hidden=True, then=RANK_WITHOUT_ANSWER + Value(RANK_OF_DECIDED)),
            default=F("worklist_rank"),
            output_field=SmallIntegerField(),
        ),
        # As of a case not yet answered: an unsure model, or two that differ, would tell of the answer.
        shown_label_value=Choose(
            When(answer_hidden=True, then=Value(0.0)), default=F("label_value"), output_field=FloatField()
        ),
    )


def status_shown(case: Case, *, answer_hidden: bool) -> str:
    """The same of one case whose page knows whether its answers are hidden."""
    hides = answer_hidden and case.status == CaseStatus.IN_REVIEW
    return CaseStatus.OPEN.value if hides else case.status


def _unless_hidden(column: str) -> Choose:
    return Choose(When(answer_hidden=True, then=Value(None)), default=F(column), output_field=CharField(null=True))


def _hidden_at(blinded: list[int], user: User | AnonymousUser) -> Choose:
    """As cases.reviews.hidden_scan_ids says it of scans: one undecided scan hides the whole case's answer."""
    undecided = Scan.objects.ready().filter(still_blinded(user), case=OuterRef("pk"))
    return Choose(
        When(Q(patient__site__in=blinded) & ~Q(status=CaseStatus.CLOSED) & Exists(undecided), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )


def narrow(cases: CaseQuerySet, wanted: WorklistFilter) -> CaseQuerySet:
    cases = cases_mentioning(cases, wanted.search)
    if wanted.status == ACTIVE:
        cases = cases.active()
    elif wanted.status:
        cases = cases.filter(shown_status=wanted.status)
    exact = {
        "priority": wanted.priority,
        "shown_decision": wanted.decision,
        "shown_label": wanted.label,
        "assigned_reader": wanted.reader,
        "patient__site": wanted.site,
        "patient": wanted.patient,
    }
    cases = cases.filter(**{name: value for name, value in exact.items() if value})
    if wanted.needs_review is not None:
        cases = cases.filter(needs_review=wanted.needs_review)
    if wanted.readers_disagree is not None:
        cases = cases.filter(shown_disagreement=wanted.readers_disagree)
    return within_days(cases, "created_at", wanted.opened_from, wanted.opened_to)


def patients_found(user: User, search: str, *, site: Site | None = None) -> QuerySet[Patient]:
    patients = Patient.objects.visible_to(user).select_related("site")
    for words in words_of(search):
        patients = patients.matching(words)
    if site is not None:
        patients = patients.filter(site=site)
    return patients.order_by("name", "pk")
