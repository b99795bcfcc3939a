"""One user's view of models, runs and data sets: what may not be seen is counted, never named."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.db.models import Count, F, Func
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.rights import Right, rights_anywhere, sites_with
from accounts.wording import in_sentence
from cases.models import Review
from inference.models import ModelVersion
from learning.datasets.listing import scans_of_dataset, shown_counts
from learning.models import Comparison, Dataset, ServicePeriod, TrainingRun
from monitoring.lineage.results import (
    AcceptanceTrace,
    ComparisonTrace,
    DatasetTrace,
    ModelTrace,
    Reviewer,
    RunTrace,
    ServiceTrace,
)


class Tracer:
    """Keeps what it has found while one lineage is put together."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._datasets: dict[int, DatasetTrace] = {}

    @cached_property
    def visible_datasets(self) -> set[int]:
        return set(Dataset.objects.visible_to(self.user).values_list("pk", flat=True))

    @cached_property
    def manages(self) -> bool:
        return Right.MANAGE in rights_anywhere(self.user)

    def dataset(self, dataset: Dataset) -> DatasetTrace:
        if dataset.pk not in self._datasets:
            self._datasets[dataset.pk] = self._trace_dataset(dataset)
        return self._datasets[dataset.pk]

    def _trace_dataset(self, dataset: Dataset) -> DatasetTrace:
        visible, counts = dataset.pk in self.visible_datasets, shown_counts(self.user, dataset)
        reviewers = reviewers_of(dataset, self.user)
        return DatasetTrace(
            dataset_id=dataset.pk,
            title=str(dataset),
            is_visible=visible,
            created_at=dataset.created_at,
            patients=counts.patients,
            scans=counts.scans,
            covid=counts.covid,
            non_covid=counts.non_covid,
            splits=[(str(row.split.label), row.scans) for row in counts.splits],
            sources=[(row.title, row.scans) for row in counts.sources] if visible else [],
            reviewers=reviewers if visible else [],
            reviewer_count=len(reviewers),
            content_hash=dataset.content_hash if visible and not counts.hidden else "",
        )

    def run(self, run: TrainingRun) -> RunTrace:
        visible = run.dataset_id in self.visible_datasets
        asked_by = run.requested_by.name_on_record if run.requested_by is not None else _("the command line")
        return RunTrace(
            run_id=run.pk,
            title=str(run),
            is_visible=visible,
            method=run.get_method_display(),
            status=run.status,
            requested_at=run.requested_at,
            finished_at=run.finished_at,
            dataset=self.dataset(run.dataset),
            requested_by=asked_by if visible else "",
            parent_id=run.parent_id,
            model_id=run.model_id,
        )

    def model(self, model: ModelVersion) -> ModelTrace:
        run = run_of(model)
        return ModelTrace(
            model_id=model.pk,
            title=str(model),
            status=model.status,
            status_words=model.get_status_display(),
            sha256=model.sha256,
            registered_at=model.registered_at,
            origin=words_for_origin(model, run),
            run=self.run(run) if run is not None else None,
        )

    def comparisons(self, rows: Iterable[Comparison]) -> list[ComparisonTrace]:
        return [
            ComparisonTrace(
                comparison_id=row.pk,
                dataset_id=row.dataset_id,
                champion=str(row.champion),
                challenger=str(row.challenger),
                passed=row.passed,
                created_at=row.created_at,
            )
            for row in rows
            if row.dataset_id in self.visible_datasets
        ]

    def acceptances(self, model: ModelVersion) -> list[AcceptanceTrace]:
        """What the sites that the user manages decided on its operating point."""
        rows = model.acceptances.filter(site__in=sites_with(self.user, Right.MANAGE))
        return [
            AcceptanceTrace(
                site=row.site.name,
                site_slug=row.site.slug,
                number=row.number,
                choice=row.choice,
                choice_words=row.get_choice_display(),
                operating_point=row.operating_point,
                decided_at=row.decided_at,
                decided_by=row.decided_by.name_on_record,
                reason=row.reason,
            )
            for row in rows.select_related("site", "decided_by").order_by("-pk")
        ]

    def service(self, model: ModelVersion) -> list[ServiceTrace]:
        """Who put it there and why is for those who manage somewhere."""
        periods = ServicePeriod.objects.filter(model=model).select_related("started_by", "comparison")
        return [self._trace_period(period) for period in periods]

    def _trace_period(self, period: ServicePeriod) -> ServiceTrace:
        comparison, person = period.comparison, period.started_by
        visible = comparison is not None and comparison.dataset_id in self.visible_datasets
        return ServiceTrace(
            started_at=period.started_at,
            ended_at=period.ended_at,
            entry=period.get_entry_display(),
            reason=period.reason if self.manages else "",
            started_by=person.name_on_record if person is not None and self.manages else "",
            comparison_id=period.comparison_id if visible else None,
        )


def run_of(model: ModelVersion) -> TrainingRun | None:
    """The run that made it; none for a model that was shipped or registered from a folder."""
    return TrainingRun.objects.select_related("dataset", "requested_by").filter(model=model).first()


def words_for_origin(model: ModelVersion, run: TrainingRun | None) -> str:
    if run is not None:
        return _("Trained here by %(run)s on %(dataset)s.") % {
            "run": in_sentence(run),
            "dataset": in_sentence(run.dataset),
        }
    trained_on = model.card.get("trained_on") if isinstance(model.card, dict) else None
    if not trained_on:
        return _("Registered from a folder; its card does not say what it was trained on.")
    return _("Registered from a folder; its card says that it was trained on %(words_for_training_set)s.") % {
        "words_for_training_set": words_for_training_set(trained_on)
    }


def words_for_training_set(trained_on: Any) -> str:
    if not isinstance(trained_on, dict):
        return str(trained_on)
    images = trained_on.get("images")
    return f"{trained_on.get('name') or 'a set without a name'}" + (
        _(" (%(images)s images)") % {"images": images} if images else ""
    )


def ancestors_of(model: ModelVersion) -> list[ModelVersion]:
    """Returns its parent first; a circle, which nothing forbids, is left where it closes."""
    seen, found = {model.pk}, []
    at = parent_of(model)
    while at is not None and at.pk not in seen:
        seen.add(at.pk)
        found.append(at)
        at = parent_of(at)
    return found


def parent_of(model: ModelVersion) -> ModelVersion | None:
    if model.parent is not None:
        return model.parent
    run = run_of(model)
    return run.parent if run is not None else None


def reviewers_of(dataset: Dataset, user: User) -> list[Reviewer]:
    """Whose decisions gave the labels, as far as they show to this user, those of most scans first."""
    named = scans_of_dataset(dataset, user).order_by().annotate(review=Func(F("review_ids"), function="unnest"))
    rows = (
        Review.objects.filter(pk__in=named.values("review"))
        .values("reader")
        .annotate(scans=Count("scan", distinct=True))
        .order_by("-scans", "reader")
    )
    counted = {row["reader"]: row["scans"] for row in rows}
    people = {user.pk: user for user in User.objects.filter(pk__in=counted)}
    return [Reviewer(pk, people[pk].name_on_record, scans) for pk, scans in counted.items()]
