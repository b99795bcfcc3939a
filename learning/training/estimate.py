"""How long a training will take, from what was measured in this installation. Never a guess out of the air."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import Avg, F, FloatField
from django.db.models.functions import Cast
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.formatting import shortest
from inference.models import ModelVersion, Prediction, PredictionStatus
from learning.models import Method, TrainingRun, TrainingStatus
from learning.training.sample_sizes import TRAINING_SPLITS, split_sizes
from learning.training.training_exposure import lineage

RUNS_LOOKED_AT = 10
ANSWERS_LOOKED_AT = 200
# Forward, and backward at about twice its cost: the usual count of operations in a step of gradient descent.
STEP = 3


@dataclass(frozen=True)
class Estimate:
    seconds: float | None
    based_on: Promise | str


UNKNOWN = Estimate(
    None, gettext_lazy("Nothing like it has been run here yet, so how long it takes cannot be told beforehand.")
)


def estimate_seconds(*, method: str, parent: ModelVersion | None, settings: Mapping[str, Any], work: float) -> Estimate:
    """`work` is how many images the network sees: once for a last layer, once each epoch for the network."""
    network = network_of(parent, settings)
    return _from_runs(method, network, work) or _from_answers(method, parent, work) or UNKNOWN


def network_of(parent: ModelVersion | None, settings: Mapping[str, Any]) -> tuple[object, ...]:
    """What two trainings must share to take equally long for an image: a child has its forebears' network."""
    if parent is None:
        return tuple(settings.get(name) for name in ("architecture", "stages", "filters", "height", "width"))
    *_others, origin = lineage(parent)
    run = TrainingRun.objects.filter(model=origin, parent=None).first()
    return network_of(None, run.settings) if run else (origin.sha256,)


def work_of(*, method: str, images: int, epochs: int | None) -> float:
    return float(images * (epochs or 1) if method == Method.FINETUNE else images)


def _from_runs(method: str, network: tuple[object, ...], work: float) -> Estimate | None:
    """Only runs that went through in one piece measure anything."""
    done = TrainingRun.objects.filter(status=TrainingStatus.DONE, method=method, attempts=1)
    runs = done.select_related("dataset", "parent")[:RUNS_LOOKED_AT]
    alike = [run for run in runs if network_of(run.parent, run.settings) == network]
    rates = [rate for run in alike if (rate := _seconds_for_an_image(run))]
    if not rates:
        return None
    words = ngettext(
        "Measured on the last run of this kind.", "Measured on the last %(number)s runs of this kind.", len(rates)
    )
    return Estimate(median(rates) * work, words % {"number": len(rates)})


def _seconds_for_an_image(run: TrainingRun) -> float | None:
    images = sum(side.images for side in split_sizes(run.dataset, replay=run.replay) if side.split in TRAINING_SPLITS)
    work = work_of(method=run.method, images=images, epochs=run.epochs_done)
    if run.duration is None or not work:
        return None
    return run.duration.total_seconds() / work


def _from_answers(method: str, parent: ModelVersion | None, work: float) -> Estimate | None:
    """What the parent's network takes for a slice when it answers scans."""
    if parent is None:
        return None
    newest = Prediction.objects.filter(
        model_version=parent, status=PredictionStatus.DONE, duration_ms__isnull=False
    ).order_by("-pk")[:ANSWERS_LOOKED_AT]
    share = Cast("duration_ms", FloatField()) / F("scan__slice_count")
    mean = Prediction.objects.filter(pk__in=newest.values("pk")).aggregate(mean=Avg(share))["mean"]
    if mean is None:
        return None
    seconds = mean / 1000 * work * (STEP if method == Method.FINETUNE else 1)
    return Estimate(
        seconds,
        _("A rough figure: model %(parent)s takes %(mean)s s for a slice when it answers.")
        % {"parent": parent, "mean": shortest(float(f"{mean / 1000:.2g}"))},
    )
