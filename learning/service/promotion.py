"""Which model serves is one action of a person: promote past the gate, refuse, roll back."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts.events import record_event
from accounts.models import Action, Site, User
from accounts.rights import Right, sites_with
from cases.errors import WrongState
from cases.models import CaseStatus, Scan
from inference.catalogue import require_intact
from inference.current_answer import drop_shadow_requests
from inference.label_value import refresh_label_values
from inference.models import ModelStatus, ModelVersion
from inference.service import active_model, hold_model_in_service
from learning.models import Comparison, Entry, GateOverride, OverrideStatus, ServicePeriod
from learning.service.activation import put_into_service
from learning.service.history import left_by_rollback, previous_model

REASON_LENGTH = 500
NOT_YOURS = "Which model serves concerns every site: only a superuser or a manager of all sites can do this."


@dataclass(frozen=True)
class PromotionCheck:
    """Whether a comparison's challenger can be promoted now, by which way, and if not, why not."""

    entry: Entry | None
    obstacles: tuple[str, ...] = ()
    by_gate: bool = False  # nothing but the gate's findings is in the way

    @property
    def is_open(self) -> bool:
        return self.entry is not None


def may_promote(user: User | AnonymousUser) -> bool:
    if not isinstance(user, User) or not user.is_active:
        return False
    if user.is_superuser:
        return True
    managed = sites_with(user, Right.MANAGE)
    return managed.exists() and not Site.objects.exclude(pk__in=managed).exists()


def require_installation_right(user: User | AnonymousUser) -> None:
    if not may_promote(user):
        raise PermissionDenied(NOT_YOURS)


def check_promotion(comparison: Comparison) -> PromotionCheck:
    """What pages and the API offer; `promote` asks the same again when it holds the model in service."""
    challenger, serving = comparison.challenger, active_model()
    if challenger.status == ModelStatus.REFUSED:
        return _shut(f"Model {challenger} was refused; train or register another.")
    if challenger.is_active:
        return _shut(f"Model {challenger} is in service already.")
    if serving is None or serving.pk != comparison.champion_id:
        return _shut(
            f"{comparison} was made against model {comparison.champion}, and "
            f"{f'model {serving}' if serving else 'no model'} is in service now; compare with that one."
        )
    newer = _newer_comparison(comparison)
    if newer is not None:
        return _shut(f"{newer} of the same models is newer than {comparison}; decide by that one.")
    if comparison.passed:
        return PromotionCheck(Entry.PROMOTION)
    if comparison.overrides.filter(status=OverrideStatus.APPROVED).exists():
        return PromotionCheck(Entry.OVERRIDE)
    findings = tuple(map(str, comparison.reasons)) or ("The comparison did not pass.",)
    return PromotionCheck(None, findings, by_gate=True)


def promote(*, comparison: Comparison, user: User) -> ModelVersion:
    """The challenger enters service. Asked twice, it does so once."""
    require_installation_right(user)
    require_intact(comparison.challenger)
    with transaction.atomic():
        hold_model_in_service(alone=True)
        comparison = Comparison.objects.select_related("champion", "challenger").get(pk=comparison.pk)
        challenger = comparison.challenger
        if challenger.is_active and _served_by(comparison):
            return challenger
        found = check_promotion(comparison)
        if found.entry is None:
            raise WrongState(_closed(comparison, found))
        reason = _reason_of_override(comparison) if found.entry == Entry.OVERRIDE else ""
        put_into_service(challenger, user=user, entry=found.entry, comparison=comparison, reason=reason)
    return challenger


def refuse_model(*, model: ModelVersion, user: User, reason: str) -> None:
    """A candidate that shall never serve. It stays on record, with all that was measured."""
    require_installation_right(user)
    reason = written_reason(reason, f"Model {model} can be refused only with a reason; write one.")
    with transaction.atomic():
        hold_model_in_service(alone=True)
        model.refresh_from_db()
        if model.status == ModelStatus.REFUSED:
            return
        model.refuse()
        drop_shadow_requests(model)
        record_event(Action.MODEL_REFUSED, actor=user, subject=model, reason=reason)
        transaction.on_commit(lambda: _forget_its_disagreements(model))


def roll_back(*, user: User, reason: str, leaving: ModelVersion | None = None) -> ModelVersion:
    """Back to the model before, from which a second rollback goes on to the one before that.

    `leaving` is the model that the person saw in service. Once it has left, by this very action or another's, it
    is not left again.
    """
    require_installation_right(user)
    reason = written_reason(reason, "A rollback needs a reason; write one.")
    leaving, serving = leaving or active_model(), active_model()
    if leaving is not None and serving is not None and left_by_rollback(leaving, serving):
        return serving
    before = previous_model()
    if leaving is None or before is None:
        raise WrongState(_nowhere_back(serving))
    require_intact(before)
    with transaction.atomic():
        hold_model_in_service(alone=True)
        serving = active_model()
        if serving is not None and left_by_rollback(leaving, serving):
            return serving
        if serving != leaving or previous_model() != before:
            raise WrongState(
                f"Model {leaving} is no longer in service, {serving or 'none'} is; look again, then decide."
            )
        put_into_service(before, user=user, entry=Entry.ROLLBACK, reason=reason)
    return before


def written_reason(reason: str, missing: str, *, length: int = REASON_LENGTH) -> str:
    reason = reason.replace("\0", "").strip()
    if not reason:
        raise WrongState(missing)
    if len(reason) > length:
        raise WrongState(f"A reason takes at most {length} characters; shorten it.")
    return reason


def _forget_its_disagreements(model: ModelVersion) -> None:
    """What a refused model said makes no scan more worth a label."""
    unread = Scan.objects.ready().filter(final_label=None, predictions__model_version=model)
    refresh_label_values(list(unread.exclude(case__status=CaseStatus.CLOSED).order_by("case_id", "pk")))


def _shut(*obstacles: str) -> PromotionCheck:
    return PromotionCheck(None, obstacles)


def _closed(comparison: Comparison, found: PromotionCheck) -> str:
    words = " ".join(found.obstacles)
    if not found.by_gate:
        return words
    return (
        f"The gate is closed for model {comparison.challenger}: {words} "
        "Train another, or ask a second person to override the gate."
    )


def _newer_comparison(comparison: Comparison) -> Comparison | None:
    pair = Comparison.objects.filter(champion=comparison.champion_id, challenger=comparison.challenger_id)
    return pair.filter(pk__gt=comparison.pk).order_by("-pk").first()


def _served_by(comparison: Comparison) -> bool:
    """It serves because of this very comparison."""
    return ServicePeriod.objects.filter(ended_at=None, comparison=comparison).exists()


def _reason_of_override(comparison: Comparison) -> str:
    approved = GateOverride.objects.filter(comparison=comparison, status=OverrideStatus.APPROVED)
    return approved.values_list("reason", flat=True)[0][:REASON_LENGTH]


def _nowhere_back(serving: ModelVersion | None) -> str:
    if serving is None:
        return "No model is in service; promote one, or have the administrator activate one."
    return f"No model has served before {serving}; promote another instead."
