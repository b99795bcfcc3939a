"""Promoting against the criteria: one person asks with a reason, another one decides."""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.events import record_event
from accounts.models import Action, User
from accounts.refusals import WrongState, bounded_text, written_reason
from inference.service import hold_model_in_service
from learning.models import Comparison, Entry, GateOverride, OverrideStatus
from learning.service.promotion import PromotionCheck, check_promotion, require_installation_right

OVERRIDE_LENGTH = 1000


def may_ask_override(comparison: Comparison) -> bool:
    """Says whether nothing but the promotion criteria prevents it and no earlier request waits for a second person."""
    asked = comparison.overrides.filter(status__in=[OverrideStatus.PENDING, OverrideStatus.APPROVED])
    return not asked.exists() and check_promotion(comparison).by_gate


def request_override(*, comparison: Comparison, user: User, reason: str) -> GateOverride:
    require_installation_right(user)
    reason = written_reason(
        reason,
        missing=_("The criteria of %(comparison)s are overridden only with a reason; write one.")
        % {"comparison": comparison},
        longest=OVERRIDE_LENGTH,
    )
    with transaction.atomic():
        hold_model_in_service()
        comparison = Comparison.objects.select_related("champion", "challenger").get(pk=comparison.pk)
        pending = _pending(comparison)
        if pending is not None and (pending.requested_by_id, pending.reason) == (user.pk, reason):
            return pending
        if pending is not None:
            raise _waits(pending)
        _require_closed_gate(comparison)
        try:
            with transaction.atomic():
                override = GateOverride.objects.create(comparison=comparison, requested_by=user, reason=reason)
        except IntegrityError:  # another asked this very moment
            raise _waits(_pending(comparison)) from None
        record_event(
            Action.OVERRIDE_REQUESTED,
            actor=user,
            subject=override,
            comparison=comparison.pk,
            model=comparison.challenger_id,
            reason=reason,
        )
    return override


def decide_override(*, override: GateOverride, user: User, approved: bool, comment: str = "") -> GateOverride:
    """Decides by a second person. An approval overrides the criteria for this comparison; promoting stays an action of
    its own.

    The criteria that were not met when it was approved stay on record with the request and in the event.
    """
    require_installation_right(user)
    comment = bounded_text(comment, longest=OVERRIDE_LENGTH, what=_("A comment"))
    with transaction.atomic():
        hold_model_in_service()
        override = GateOverride.objects.select_for_update(of=("self",)).get(pk=override.pk)
        wanted = OverrideStatus.APPROVED if approved else OverrideStatus.REFUSED
        if (override.status, override.decided_by_id) == (wanted, user.pk):
            return override
        overridden: tuple[str, ...] = ()
        if approved and override.is_pending:
            comparison = Comparison.objects.select_related("champion", "challenger").get(pk=override.comparison_id)
            overridden = _require_closed_gate(comparison).obstacles
        override.decide(by=user, approved=approved, comment=comment, overridden=overridden)
        record_event(
            Action.OVERRIDE_DECIDED,
            actor=user,
            subject=override,
            comparison=override.comparison_id,
            approved=approved,
            comment=override.comment,
            overridden=override.overridden,
        )
    return override


def _require_closed_gate(comparison: Comparison) -> PromotionCheck:
    """Requires something to override, and no other obstacle."""
    found = check_promotion(comparison)
    if found.entry == Entry.PROMOTION:
        raise WrongState(
            _("%(comparison)s meets the promotion criteria; promote model %(challenger)s directly.")
            % {"comparison": comparison, "challenger": comparison.challenger}
        )
    if found.entry == Entry.OVERRIDE:
        raise WrongState(
            _("The criteria of %(comparison)s are overridden already; promote model %(challenger)s.")
            % {"comparison": comparison, "challenger": comparison.challenger}
        )
    if not found.by_gate:
        raise WrongState(" ".join(found.obstacles))
    return found


def _pending(comparison: Comparison) -> GateOverride | None:
    return comparison.overrides.filter(status=OverrideStatus.PENDING).first()


def _waits(pending: GateOverride | None) -> WrongState:
    return WrongState(
        _("%(override)s waits for a second person already; decide on it first.") % {"override": pending}
        if pending
        else _("An override waits for a second person already; decide on it first.")
    )
