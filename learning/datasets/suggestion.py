"""Whether it is time to train again. Only ever a suggestion: nothing is started by it."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.formatting import whole_share
from accounts.models import User
from accounts.rights import Right, sites_with
from accounts.wording import listed, opening
from cases.labelled_set import Standing, labels_shown_to
from cases.labels import Agreement
from cases.models import Decision, Review
from cases.reviews import hidden_scans, reads_blinded
from inference.models import Prediction
from inference.service import active_model
from learning.models import DatasetScan, ExcludedScan, Exclusion

RECENT_REVIEWS = 200
LEAST_REVIEWS = 20


@dataclass(frozen=True)
class Suggestion:
    """`override_rate` is empty while too few reviews have met the model in service."""

    new_labels: int
    override_rate: float | None
    words: str


def training_suggestion(user: User) -> Suggestion | None:
    """None where nothing speaks for it: without new labels, a training would only repeat the last one."""
    new_labels = count_new_labels(user)
    if not new_labels:
        return None
    rate = recent_override_rate(user)
    reasons = []
    if new_labels >= settings.SUGGEST_AFTER_LABELS:
        reasons.append(_said_of_labels(new_labels))
    if rate is not None and rate >= settings.SUGGEST_OVERRIDE_RATE:
        reasons.append(_("readers overrode %(share)s of the model's recent answers") % {"share": whole_share(rate)})
    if not reasons:
        return None
    words = f"{opening(listed(reasons))}. {_('Consider training a new model.')}"
    return Suggestion(new_labels, rate, words)


def _said_of_labels(number: int) -> str:
    return ngettext(
        "%(number)s scan has a final label that is in no data set yet",
        "%(number)s scans have a final label that is in no data set yet",
        number,
    ) % {"number": number}


def count_new_labels(user: User) -> int:
    """Labelled scans that no data set has with this label, and that would not be left out again."""
    frozen = DatasetScan.objects.filter(scan=OuterRef("pk"), label=OuterRef("final_label"))
    left_out = ExcludedScan.objects.filter(scan=OuterRef("pk"))
    labelled = labels_shown_to(user).filter(standing=Standing.INCLUDED).exclude(decision=Decision.UNSUITABLE)
    duplicate = Exists(left_out.filter(reason=Exclusion.DUPLICATE))
    still_single = Q(Exists(left_out.filter(reason=Exclusion.SINGLE)), agreement=Agreement.SINGLE)
    return labelled.filter(~Exists(frozen), ~duplicate).exclude(still_single).count()


def recent_override_rate(user: User) -> float | None:
    """Of the newest current reviews that could agree with the model in service, at these sites."""
    model = active_model()
    if model is None:
        return None
    answers = Prediction.objects.filter(pk=OuterRef("prediction_id"), model_version=model)
    managed = sites_with(user, Right.MANAGE)
    met = Review.objects.current().filter(Exists(answers), agrees__isnull=False, scan__case__patient__site__in=managed)
    if reads_blinded(user):
        met = met.exclude(scan__in=hidden_scans(user))
    agreed = list(met.order_by("-pk").values_list("agrees", flat=True)[:RECENT_REVIEWS])
    return agreed.count(False) / len(agreed) if len(agreed) >= LEAST_REVIEWS else None
