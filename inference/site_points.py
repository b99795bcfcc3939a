"""Says which operating point judges a model's answers at a site, and judges new answers.

A site's own point is accepted by its managers (`monitoring.acceptance`); until then, and after they took it back, the
model's own applies. An answer keeps the point that judged it.
"""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Site
from cases.models import Decision
from inference.models import ModelVersion, SiteAcceptance, SuitabilityState
from inference.models.acceptance import AcceptanceChoice
from inference.service import active_model
from ml.evaluation.site_point import calibrated


@dataclass(frozen=True)
class Judged:
    """Holds an answer as it is stored and shown."""

    decision: str
    probability: float
    suitability_state: str
    site_point: SiteAcceptance | None


def point_in_force(*, site_id: int, model: ModelVersion) -> SiteAcceptance | None:
    """Returns the accepted decision by which new answers are judged; none where the model's own point applies."""
    rows = SiteAcceptance.objects.deciding().filter(site=site_id, model_version=model)
    newest = rows.select_related("restores", "site", "decided_by").order_by("-number").first()
    if newest is None or newest.is_accepted:
        return newest
    return newest.restores


def judge_answer(*, decision: str, probability: float, state: str, point: SiteAcceptance | None) -> Judged:
    """Judges what the model says, by the site's point where there is one.

    A scan unlike the training data is left to the reader whatever the model says of it.
    """
    if decision == Decision.UNSUITABLE:
        state = SuitabilityState.UNSUITABLE
    if point is not None:
        probability = float(calibrated(point.point, probability))
        if decision != Decision.UNSUITABLE:
            decision = point.point.decide(probability)
    if state == SuitabilityState.UNLIKE_TRAINING and decision != Decision.UNSUITABLE:
        decision = Decision.UNCERTAIN
    return Judged(str(decision), probability, str(state), point)


def hides_answers(site: Site, model: ModelVersion) -> bool:
    """Says whether this model's new answers are kept from everybody at the site, since it has not accepted it yet."""
    return site.awaits_validation and point_in_force(site_id=site.pk, model=model) is None


def sites_hiding_answers(model: ModelVersion) -> QuerySet[Site]:
    """Selects as `hides_answers` says it of one site; a test holds the two together."""
    return _without_point(Site.objects.filter(awaits_validation=True), model)


def sites_without_point(sites: QuerySet[Site]) -> list[Site]:
    """Returns those that have not accepted the model in service; none where no model serves."""
    model = active_model()
    return list(_without_point(sites, model)) if model is not None else []


def _without_point(sites: QuerySet[Site], model: ModelVersion) -> QuerySet[Site]:
    decisions = SiteAcceptance.objects.deciding().filter(model_version=model)
    later = decisions.filter(site=OuterRef("site"), number__gt=OuterRef("number"))
    in_force = Q(choice=AcceptanceChoice.ACCEPTED) | Q(restores__isnull=False)
    return sites.exclude(Exists(decisions.filter(in_force, ~Exists(later), site=OuterRef("pk"))))
