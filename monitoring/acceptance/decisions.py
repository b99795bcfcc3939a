"""A manager accepts or declines the operating point proposed for a site, or takes an accepted one back."""

from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, Site, User
from accounts.refusals import WrongState, written_reason
from accounts.rights import Right, require
from inference.models import AcceptanceChoice, ModelVersion, SiteAcceptance
from ml.model.drift_reference import reference_of
from monitoring.acceptance.proposal import figures_as_stored
from monitoring.acceptance.state import SiteModel, site_model


def accept(*, site: Site, model: ModelVersion, user: User, seen: str, reason: str) -> SiteAcceptance:
    """Accepts the proposal that the manager saw (`SiteModel.key`): it judges new answers; earlier ones keep theirs.

    Raises WrongState where scans or decisions have come since, where nothing is proposed, and where the model is no
    longer in service. The same decision sent twice is one.
    """
    return _decide(AcceptanceChoice.ACCEPTED, site=site, model=model, user=user, seen=seen, reason=reason)


def decline(*, site: Site, model: ModelVersion, user: User, seen: str, reason: str) -> SiteAcceptance:
    """Declines a proposal: the point in force stays. Once further scans are decided, there is a new proposal."""
    return _decide(AcceptanceChoice.DECLINED, site=site, model=model, user=user, seen=seen, reason=reason)


def revert(*, site: Site, model: ModelVersion, user: User, seen: int, reason: str) -> SiteAcceptance:
    """Takes the accepted decision number `seen` back: the one before it is in force again, at last the model's own."""
    require(user, site, Right.MANAGE)
    reason = written_reason(reason, missing=_("Taking an operating point back needs a reason; write one."))
    with transaction.atomic():
        _lock(site)
        rows = list(SiteAcceptance.objects.filter(site=site, model_version=model).order_by("number"))
        if rows and _is_repeated(rows[-1], AcceptanceChoice.REVERTED, user, f"{seen}"):
            return rows[-1]
        stack = _in_force_in_turn(rows)
        if not stack:
            raise WrongState(
                _("Model %(model)s has no accepted operating point at %(site)s; there is nothing to take back.")
                % {"model": model, "site": site}
            )
        if stack[-1].number != seen:
            raise WrongState(_("Another operating point is in force since you opened this page; look again."))
        before = stack[-2] if len(stack) > 1 else None
        return _record(
            AcceptanceChoice.REVERTED,
            site=site,
            model=model,
            user=user,
            reason=reason,
            number=rows[-1].number + 1,
            restores=before,
            figures={"seen": f"{seen}"},
        )


def _decide(
    choice: AcceptanceChoice, *, site: Site, model: ModelVersion, user: User, seen: str, reason: str
) -> SiteAcceptance:
    require(user, site, Right.MANAGE)
    reason = written_reason(reason, missing=_("A decision on an operating point needs a reason; write one."))
    with transaction.atomic():
        _lock(site)
        model.refresh_from_db()
        found = site_model(user, site=site, model=model)
        if found.last is not None and _is_repeated(found.last, choice, user, seen):
            return found.last
        _require_open(found, seen)
        point = asdict(found.assessment.proposal.point) if found.assessment.proposal else {}
        point.pop("floor", None)
        return _record(
            choice,
            site=site,
            model=model,
            user=user,
            reason=reason,
            number=(found.last.number if found.last else 0) + 1,
            evidence=found.evidence.as_stored(),
            evidence_key=found.evidence.key,
            figures=_figures(found, seen, point),
            **(point if choice == AcceptanceChoice.ACCEPTED else {}),
        )


def _lock(site: Site) -> None:
    """Has two managers decide one after the other; patients and cases of the site are still written meanwhile."""
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)


def _is_repeated(last: SiteAcceptance, choice: AcceptanceChoice, user: User, seen: str) -> bool:
    return (last.choice, last.decided_by_id, last.figures.get("seen")) == (choice, user.pk, seen)


def _require_open(found: SiteModel, seen: str) -> None:
    model, site = found.model, found.site
    if not model.is_active:
        raise WrongState(
            _("Model %(model)s is not in service; only the model in service is accepted at a site.") % {"model": model}
        )
    if found.assessment.proposal is None:
        raise WrongState(
            _("There is no operating point to decide on for model %(model)s at %(site)s. %(missing)s")
            % {"model": model, "site": site, "missing": " ".join(found.assessment.missing)}
        )
    if seen != found.key:
        raise WrongState(
            _("Scans were decided, or a colleague decided on the proposal, since you opened this page; look again.")
        )


def _figures(found: SiteModel, seen: str, point: dict[str, Any]) -> dict[str, Any]:
    proposal = found.assessment.proposal
    return {
        "seen": seen,
        "target": found.limits.sensitivity,
        "auc": found.assessment.auc,
        "scans": found.evidence.n,
        "infected": found.evidence.infected,
        "patients": found.evidence.patients,
        "proposed": point,
        "before": figures_as_stored(found.assessment.figures),
        "after": figures_as_stored(proposal.figures) if proposal else None,
        # Later scores are held against those of the scans that the point was fitted to.
        "reference": reference_of(found.evidence.decided.probabilities, [])["score"],
    }


def _in_force_in_turn(rows: list[SiteAcceptance]) -> list[SiteAcceptance]:
    """Stacks the accepted decisions that are in force; taking one back uncovers the one before."""
    stack: list[SiteAcceptance] = []
    for row in rows:
        if row.choice == AcceptanceChoice.ACCEPTED:
            stack.append(row)
        elif row.choice == AcceptanceChoice.REVERTED and stack:
            stack.pop()
    return stack


def _record(
    choice: AcceptanceChoice, *, site: Site, model: ModelVersion, user: User, reason: str, number: int, **facts: Any
) -> SiteAcceptance:
    row = SiteAcceptance.objects.create(
        site=site, model_version=model, choice=choice, number=number, reason=reason, decided_by=user, **facts
    )
    record_event(
        Action.ACCEPTANCE_DECIDED,
        actor=user,
        site=site,
        subject=row,
        model=str(model),
        number=number,
        choice=choice.value,
        reason=reason,
    )
    return row
