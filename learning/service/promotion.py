"""Which model serves is one action of a person: promote what meets the criteria, refuse, roll back."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.events import record_event
from accounts.models import Action, Site, User
from accounts.refusals import LONGEST_REASON, WrongState, written_reason
from accounts.rights import Right, sites_with
from cases.models import SETTLED, Scan
from inference.catalogue import require_intact
from inference.current_answer import drop_shadow_requests
from inference.label_value import refresh_label_values
from inference.models import ModelStatus, ModelVersion
from inference.service import active_model, hold_model_in_service
from learning.comparison.comparison_figures import read_figures
from learning.comparison.gate import RULES
from learning.models import Comparison, Entry, GateOverride, OverrideStatus, ServicePeriod
from learning.service.activation import put_into_service
from learning.service.history import left_by_rollback, previous_model, rollback_of

NOT_YOURS = gettext_lazy(
    "Which model serves concerns every site: only a superuser or a manager of all sites can do this."
)


@dataclass(frozen=True)
class PromotionCheck:
    """Whether a comparison's challenger can be promoted now, by which way, and if not, why not."""

    entry: Entry | None
    obstacles: tuple[str, ...] = ()
    by_gate: bool = False  # only the promotion criteria forbid it
    rolled_back: bool = False  # the challenger has left service by a rollback since

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
        return _shut(_("Model %(challenger)s was refused; train or register another.") % {"challenger": challenger})
    if challenger.is_active:
        return _shut(_("Model %(challenger)s is in service already.") % {"challenger": challenger})
    if serving is None or serving.pk != comparison.champion_id:
        return _shut(
            _(
                "%(comparison)s was made against model %(champion)s, and %(value)s is in service now; "
                "compare with that one."
            )
            % {
                "comparison": comparison,
                "champion": comparison.champion,
                "value": f"model {serving}" if serving else "no model",
            }
        )
    rollback = rollback_of(challenger)
    if rollback is not None and rollback.started_at >= comparison.created_at:
        return PromotionCheck(None, (_said_of_rollback(comparison, rollback),), rolled_back=True)
    newer = _newer_comparison(comparison)
    if newer is not None:
        return _shut(
            _("%(newer)s of the same models is newer than %(comparison)s; decide by that one.")
            % {"newer": newer, "comparison": comparison}
        )
    not_met = criteria_not_met(comparison)
    if not not_met:
        return PromotionCheck(Entry.PROMOTION)
    if comparison.overrides.filter(status=OverrideStatus.APPROVED).exists():
        return PromotionCheck(Entry.OVERRIDE)
    return PromotionCheck(None, not_met, by_gate=True)


def criteria_not_met(comparison: Comparison) -> tuple[str, ...]:
    """In sentences with figures; empty where the challenger meets every promotion criterion."""
    record = read_figures(comparison.figures).gate
    if not comparison.passed:
        return record.not_met or tuple(map(str, comparison.reasons)) or (_("The comparison did not pass."),)
    if record.rules < RULES:
        return (
            _(
                "%(comparison)s was made by the criteria of an earlier release, which did not ask for enough "
                "infected test patients and did not look at losses. Build a newer data set and compare on "
                "that."
            )
            % {"comparison": comparison},
        )
    return ()


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
    reason = written_reason(
        reason, missing=_("Model %(model)s can be refused only with a reason; write one.") % {"model": model}
    )
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
    reason = written_reason(reason, missing=_("A rollback needs a reason; write one."))
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
                _("Model %(leaving)s is no longer in service, %(value)s is; look again, then decide.")
                % {"leaving": leaving, "value": serving or "none"}
            )
        put_into_service(before, user=user, entry=Entry.ROLLBACK, reason=reason)
    return before


def _forget_its_disagreements(model: ModelVersion) -> None:
    """What a refused model said makes no scan more worth a label."""
    unread = Scan.objects.ready().filter(final_label=None, predictions__model_version=model)
    refresh_label_values(list(unread.exclude(case__status__in=SETTLED).order_by("case_id", "pk")))


def _shut(*obstacles: str) -> PromotionCheck:
    return PromotionCheck(None, obstacles)


def _closed(comparison: Comparison, found: PromotionCheck) -> str:
    words = " ".join(found.obstacles)
    if not found.by_gate:
        return words
    return _(
        "Model %(challenger)s does not meet the promotion criteria: %(words)s Train another, or ask "
        "a second person to override them."
    ) % {"challenger": comparison.challenger, "words": words}


def _said_of_rollback(comparison: Comparison, rollback: ServicePeriod) -> str:
    when, why = date_format(timezone.localtime(rollback.started_at), "DATE_FORMAT"), rollback.reason
    return _(
        "Model %(challenger)s was in service after %(comparison)s and left it by a rollback on "
        "%(when)s%(value)s. Train another model, or compare it again on a newer data set."
    ) % {
        "challenger": comparison.challenger,
        "comparison": comparison,
        "when": when,
        "value": f" (“{why}”)" if why else "",
    }


def _newer_comparison(comparison: Comparison) -> Comparison | None:
    pair = Comparison.objects.filter(champion=comparison.champion_id, challenger=comparison.challenger_id)
    return pair.filter(pk__gt=comparison.pk).order_by("-pk").first()


def _served_by(comparison: Comparison) -> bool:
    """It serves because of this very comparison."""
    return ServicePeriod.objects.filter(ended_at=None, comparison=comparison).exists()


def _reason_of_override(comparison: Comparison) -> str:
    approved = GateOverride.objects.filter(comparison=comparison, status=OverrideStatus.APPROVED)
    return approved.values_list("reason", flat=True)[0][:LONGEST_REASON]


def _nowhere_back(serving: ModelVersion | None) -> str:
    if serving is None:
        return _("No model is in service; promote one, or have the administrator activate one.")
    return _("No model has served before %(serving)s; promote another instead.") % {"serving": serving}
