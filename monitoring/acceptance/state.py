"""Describes how far a model's acceptance at a site has got, once for pages, API and card."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Site, User
from accounts.rights import Right, require
from cases.reviews import hidden_scans
from inference.models import AcceptanceChoice, ModelVersion, SiteAcceptance
from inference.models.predictions import SERVED
from inference.site_points import point_in_force
from ml.evaluation.site_point import PointFigures, measure
from monitoring.acceptance.evidence import (
    Evidence,
    decided_answers,
    evidence_of,
    leaves_out,
    shown_to,
    unblinded_evidence_of,
)
from monitoring.acceptance.proposal import (
    AcceptanceLimits,
    Assessment,
    assess,
    figures_from_stored,
    rule_in_force,
)


class Stage(models.TextChoices):
    COLLECTING = "collecting", gettext_lazy("Not yet validated here")
    UNSUPPORTED = "unsupported", gettext_lazy("Not validated: no proposal is supported")
    PROPOSED = "proposed", gettext_lazy("Not yet validated: a proposal waits for a manager")
    DECLINED = "declined", gettext_lazy("Not validated: the proposal was declined")
    ACCEPTED = "accepted", gettext_lazy("Validated at this site")


@dataclass(frozen=True)
class SiteModel:
    """Holds everything that the page of one model at one site shows."""

    site: Site
    model: ModelVersion
    stage: Stage
    in_force: SiteAcceptance | None
    limits: AcceptanceLimits
    evidence: Evidence
    unblinded: Evidence
    unblinded_figures: PointFigures
    assessment: Assessment
    last: SiteAcceptance | None  # the newest decision of any kind

    @property
    def key(self) -> str:
        """Names what a manager saw: the newest decision and the scans that were counted."""
        return f"{self.last.number if self.last else 0}-{self.evidence.key[:24]}"

    @property
    def can_decide(self) -> bool:
        """Whether there is a proposal to accept, for the model in service."""
        return self.assessment.proposal is not None and self.model.is_active


def fetch_served_model(pk: int) -> ModelVersion:
    """Answers 404 for a model that never served: nobody sees the answers of a mere candidate."""
    return get_object_or_404(ModelVersion.objects.filter(status__in=SERVED), pk=pk)


def site_model(user: User, *, site: Site, model: ModelVersion) -> SiteModel:
    """Describes the model at the site. Raises PermissionDenied where the user does not manage the site."""
    require(user, site, Right.MANAGE)
    in_force = point_in_force(site_id=site.pk, model=model)
    evidence = evidence_of(user, site=site, model=model)
    unblinded = unblinded_evidence_of(user, site=site, model=model)
    assessment = assess(evidence, model=model, in_force=in_force)
    last = SiteAcceptance.objects.filter(site=site, model_version=model).order_by("-number").first()
    return SiteModel(
        site=site,
        model=model,
        stage=_stage(in_force, last, evidence, assessment),
        in_force=in_force,
        limits=AcceptanceLimits.of_installation(),
        evidence=evidence,
        unblinded=unblinded,
        unblinded_figures=measure(unblinded.decided, rule_in_force(unblinded, model=model, in_force=in_force)),
        assessment=assessment,
        last=last,
    )


def _stage(
    in_force: SiteAcceptance | None, last: SiteAcceptance | None, evidence: Evidence, assessment: Assessment
) -> Stage:
    if in_force is not None:
        return Stage.ACCEPTED
    if assessment.proposal is None:
        limits = AcceptanceLimits.of_installation()
        return Stage.COLLECTING if evidence.n < limits.scans else Stage.UNSUPPORTED
    declined = last is not None and last.choice == AcceptanceChoice.DECLINED and last.evidence_key == evidence.key
    return Stage.DECLINED if declined else Stage.PROPOSED


@dataclass(frozen=True)
class DecisionOnRecord:
    """Holds a past decision, with the figures as far as this user may know of the scans behind them."""

    row: SiteAcceptance
    before: PointFigures | None
    after: PointFigures | None
    is_withheld: bool


def history(user: User, *, site: Site, model: ModelVersion) -> Sequence[DecisionOnRecord]:
    """Lists the decisions on the model at the site, the newest first."""
    rows = SiteAcceptance.objects.filter(site=site, model_version=model).select_related("decided_by", "restores")
    hidden = set(hidden_scans(user).filter(case__patient__site=site).values_list("pk", flat=True))
    return [_on_record(row, hidden) for row in rows.order_by("-number")]


def _on_record(row: SiteAcceptance, hidden: set[int]) -> DecisionOnRecord:
    withheld = bool(hidden) and any(scan in hidden for scan, *_rest in row.evidence)
    before, after = (row.figures.get(name) if not withheld else None for name in ("before", "after"))
    return DecisionOnRecord(
        row=row,
        before=figures_from_stored(before) if before else None,
        after=figures_from_stored(after) if after else None,
        is_withheld=withheld,
    )


@dataclass(frozen=True)
class SiteNote:
    """Holds the note that is shown beside a model's answers at a site."""

    is_validated: bool
    words: str
    decided: int | None = None  # scans that count as evidence, at most `needed`; None once the model is accepted
    needed: int | None = None
    at_least: bool = False  # scans hidden from this user may count too


def site_note(user: User, *, site: Site, model: ModelVersion) -> SiteNote:
    """Says “Not yet validated at this site: 20 of 60 decided scans.”, or since when it is."""
    in_force = point_in_force(site_id=site.pk, model=model)
    if in_force is not None:
        words = _("Validated at this site on %(day)s.") % {
            "day": date_format(timezone.localtime(in_force.decided_at), "DATE_FORMAT")
        }
        return SiteNote(True, words)
    needed = AcceptanceLimits.of_installation().scans
    rows = shown_to(user, site, decided_answers(site=site, model=model).filter(independent=True))
    decided, at_least = rows[:needed].count(), leaves_out(user, site)
    values = {"decided": decided, "needed": needed}
    if decided >= needed:
        words = _("Not yet validated at this site: its managers have not accepted an operating point.")
    elif at_least:
        words = _("Not yet validated at this site: at least %(decided)d of %(needed)d decided scans.") % values
    else:
        words = _("Not yet validated at this site: %(decided)d of %(needed)d decided scans.") % values
    return SiteNote(False, words, decided, needed, at_least)


class SiteNotes:
    """Keeps the notes of several answers, so that each site and model is asked once."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._known: dict[tuple[int, int], SiteNote] = {}

    def of(self, site: Site, model: ModelVersion) -> SiteNote:
        key = (site.pk, model.pk)
        if key not in self._known:
            self._known[key] = site_note(self.user, site=site, model=model)
        return self._known[key]
