"""Leads from any answer to its model, run, data set, labels and readers, and back from a scan to where it was used."""

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.rights import Right, require
from accounts.wording import in_sentence
from cases.disclosure import disclose, note_shown
from cases.models import Review, Scan
from cases.reviews import hidden_scans
from inference.answer_text import words_for_point
from inference.models import ModelVersion, Prediction
from learning.models import Comparison, Dataset, DatasetScan, TrainingRun
from monitoring.lineage.results import (
    DatasetLineage,
    ModelLineage,
    PredictionLineage,
    PredictionTrace,
    ReviewTrace,
    ScanLineage,
    ScanUse,
    UsedScan,
)
from monitoring.lineage.tracer import Tracer, ancestors_of

MOST_SCANS = 500
MOST_USES = 20
MOST_VERSIONS = 50


def lineage_of_prediction(prediction: Prediction, user: User) -> PredictionLineage:
    """Raises PermissionDenied where the user may not see the answer, or not yet."""
    require(user, prediction.site, Right.VIEW)
    if not Prediction.objects.shown().filter(pk=prediction.pk).exists():
        raise PermissionDenied(
            _("%(prediction)s is a silent answer for comparison; people do not see it.") % {"prediction": prediction}
        )
    if disclose(user, [prediction.scan]):
        raise PermissionDenied(
            _("Decide on %(scan)s first; its answer is hidden until then.") % {"scan": in_sentence(prediction.scan)}
        )
    return PredictionLineage(
        prediction=_prediction(prediction),
        scan=lineage_of_scan(prediction.scan, user),
        model=lineage_of_model(prediction.model_version, user),
    )


def lineage_of_model(model: ModelVersion, user: User) -> ModelLineage:
    """Models belong to the installation: everybody may follow them, as far as the data sets are theirs to see."""
    tracer = Tracer(user)
    comparisons = Comparison.objects.filter(Q(champion=model) | Q(challenger=model))
    shown = tracer.comparisons(comparisons.select_related("champion", "challenger"))
    answers = Prediction.objects.filter(model_version=model).shown()
    visible = answers.visible_to(user).count()
    return ModelLineage(
        model=tracer.model(model),
        ancestors=[tracer.model(each) for each in ancestors_of(model)],
        descendants=[tracer.model(each) for each in _descendants(model)],
        service=tracer.service(model),
        comparisons=shown,
        hidden_comparisons=comparisons.count() - len(shown),
        acceptances=(decided := tracer.acceptances(model)),
        hidden_acceptances=model.acceptances.count() - len(decided),
        predictions=visible,
        hidden_predictions=answers.count() - visible,
    )


def lineage_of_scan(scan: Scan, user: User) -> ScanLineage:
    """Of a scan that a blinded reader has still to decide on, nothing but that it is there."""
    require(user, scan.site, Right.VIEW)
    if disclose(user, [scan]):
        return ScanLineage(scan.pk, scan.case_id, str(scan.site), None, True, [], [], [], 0)
    tracer = Tracer(user)
    rows = DatasetScan.objects.filter(scan=scan).select_related("dataset", "patient").order_by("-dataset")
    visible = rows.filter(dataset__in=tracer.visible_datasets)
    decisions = Review.objects.filter(scan=scan).exclude(label="")
    reviews = decisions.select_related("reader", "superseded_by").order_by("created_at", "pk")
    answers = (
        scan.predictions.shown().select_related("model_version", "scan", "site_point__site").order_by("queued_at", "pk")
    )
    return ScanLineage(
        scan_id=scan.pk,
        case_id=scan.case_id,
        site=str(scan.site),
        final_label=scan.final_label,
        is_hidden=False,
        reviews=[_review(review) for review in reviews],
        predictions=[_prediction(answer) for answer in answers],
        uses=[_use(row, tracer) for row in visible[:MOST_USES]],
        hidden_uses=rows.count() - visible.count(),
    )


def lineage_of_dataset(dataset: Dataset, user: User) -> DatasetLineage:
    """Raises PermissionDenied for a user who does not manage every site in it."""
    tracer = Tracer(user)
    if dataset.pk not in tracer.visible_datasets:
        raise PermissionDenied(_("Only who manages every site of a data set can follow what is in it."))
    runs = list(_runs(dataset))
    comparisons = dataset.comparisons.select_related("champion", "challenger").order_by("pk")
    return DatasetLineage(
        dataset=tracer.dataset(dataset),
        previous=[tracer.dataset(each) for each in _older(dataset)],
        following=[tracer.dataset(each) for each in dataset.next_versions.order_by("pk")[:MOST_VERSIONS]],
        runs=[tracer.run(run) for run in runs],
        models=[tracer.model(run.model) for run in runs if run.model is not None],
        comparisons=tracer.comparisons(comparisons),
        scans=_used_scans(dataset, user),
    )


def _descendants(model: ModelVersion) -> Iterable[ModelVersion]:
    """Trained from it directly; a run says so where the model itself does not."""
    return (
        ModelVersion.objects.filter(Q(parent=model) | Q(parent=None, training_run__parent=model))
        .exclude(pk=model.pk)
        .order_by("pk")[:MOST_VERSIONS]
    )


def _older(dataset: Dataset) -> list[Dataset]:
    seen, at = {dataset.pk}, dataset.previous
    found: list[Dataset] = []
    while at is not None and at.pk not in seen and len(found) < MOST_VERSIONS:
        seen.add(at.pk)
        found.append(at)
        at = at.previous
    return found


def _runs(dataset: Dataset) -> Iterable[TrainingRun]:
    return dataset.runs.select_related("dataset", "requested_by", "model").order_by("pk")


def _use(row: DatasetScan, tracer: Tracer) -> ScanUse:
    runs = list(_runs(row.dataset))
    return ScanUse(
        dataset=tracer.dataset(row.dataset),
        label=row.label,
        split=row.patient.split,
        agreement=row.agreement,
        review_ids=row.review_ids,
        runs=[tracer.run(run) for run in runs],
        models=[tracer.model(run.model) for run in runs if run.model is not None],
    )


def _used_scans(dataset: Dataset, user: User) -> list[UsedScan]:
    """The installation's own before those of base sets; what the user has still to decide on is not among them."""
    own_first = F("base_set").asc(nulls_first=True)
    scans = dataset.scans.select_related("patient", "scan__case__patient__site").order_by(own_first, "pk")
    hidden = hidden_scans(user)
    rows = list(scans.filter(Q(scan=None) | ~Q(scan__in=hidden))[:MOST_SCANS])
    note_shown(user, [row.scan_id for row in rows if row.scan_id])
    return [
        UsedScan(
            scan_id=row.scan_id,
            case_id=row.scan.case_id if row.scan is not None else None,
            name=row.name,
            source=row.source,
            split=row.patient.split,
            label=row.label,
            agreement=row.agreement,
            review_ids=row.review_ids,
        )
        for row in rows
    ]


def _prediction(prediction: Prediction) -> PredictionTrace:
    return PredictionTrace(
        prediction_id=prediction.pk,
        scan_id=prediction.scan_id,
        model_id=prediction.model_version_id,
        model=str(prediction.model_version),
        status=prediction.status,
        decision=prediction.decision,
        probability=prediction.probability,
        finished_at=prediction.finished_at,
        stands=prediction.scan.prediction_id == prediction.pk,
        raw_probability=prediction.raw_probability,
        suitability_state=prediction.known_suitability,
        judged_by=words_for_point(prediction) if prediction.is_done else "",
        site_decision=prediction.site_point.number if prediction.site_point else None,
    )


def _review(review: Review) -> ReviewTrace:
    return ReviewTrace(
        review_id=review.pk,
        reader_id=review.reader_id,
        reader=review.reader.name_on_record,
        label=review.label,
        created_at=review.created_at,
        is_current=not hasattr(review, "superseded_by"),
        was_blinded=review.was_blinded,
        agrees=review.agrees,
        prediction_id=review.prediction_id,
        reason=review.reason,
        is_withdrawn=review.is_withdrawn,
    )
