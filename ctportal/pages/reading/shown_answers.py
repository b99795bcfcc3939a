"""What the pages show of the model's answers: the words for each scan, or nothing where it is hidden from this user."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from accounts.models import User
from cases.disclosure import disclose
from cases.models import Decision, Label, Scan
from inference.answer_text import AnswerText, describe, words_for_model
from inference.current_answer import ScanAnswers, answers_by_scan
from inference.models import ModelVersion, Prediction, SliceAnswer
from inference.queue import may_retry
from inference.service import active_model
from monitoring.acceptance.state import SiteNote, SiteNotes

PLACES_SHOWN = 2


@dataclass(frozen=True)
class EarlierAnswer:
    """Holds what another model had said before the current answer."""

    prediction: Prediction
    text: AnswerText


@dataclass(frozen=True)
class AnswerOnPage:
    """One scan's answer as this user may see it now."""

    scan: Scan
    prediction: Prediction | None = None
    text: AnswerText | None = None
    is_hidden: bool = False
    can_retry: bool = False
    slices: Sequence[SliceAnswer] = field(default=(), repr=False)
    earlier: Sequence["EarlierAnswer"] = field(default=(), repr=False)
    note: SiteNote | None = None  # whether the model is validated at the scan's site
    is_kept_back: bool = False  # the site hides answers of this model until it has accepted it
    rereading: Prediction | None = None  # the model in service is asked, and has not answered yet

    @property
    def is_pending(self) -> bool:
        return self.prediction is not None and self.prediction.is_pending

    @property
    def is_done(self) -> bool:
        return self.prediction is not None and self.prediction.is_done and not self.is_hidden

    @property
    def is_awaited(self) -> bool:
        """Says whether an answer may still come: the first one, or one of a re-reading."""
        if self.is_kept_back:
            return False
        return self.is_pending or (self.rereading is not None and self.rereading.is_pending)

    @property
    def rereading_failed(self) -> bool:
        return self.rereading is not None and self.rereading.is_retriable

    @property
    def has_failed(self) -> bool:
        return self.prediction is not None and self.prediction.is_retriable

    @property
    def fingerprint(self) -> str:
        """Changes when what is shown changes; says nothing of an answer that is hidden."""
        if self.prediction is None or (self.is_hidden and self.prediction.is_done):
            return "none"
        waiting = self.text.explanation if self.text and self.is_pending else ""
        state = f"{self.prediction.pk} {self.prediction.status} {waiting}"
        if self.rereading is not None:
            state += f" {self.rereading.pk} {self.rereading.status}"
        return hashlib.sha256(state.encode()).hexdigest()[:16]

    @property
    def decision(self) -> str | None:
        return self.prediction.decision if self.is_done and self.prediction else None

    @property
    def in_hundred(self) -> str:
        """The calibrated probability as a count, and how far that count holds."""
        if self.decision in (None, Decision.UNSUITABLE) or self.prediction is None:
            return ""
        number = round((self.prediction.probability or 0.0) * 100)
        count = {0: _("fewer than one"), 100: _("more than 99")}.get(number, _("about %(number)s") % {"number": number})
        return self._counted_on % {"count": count}

    @property
    def _counted_on(self) -> str:
        if self.prediction is not None and self.prediction.site_point_id is not None:
            return _(
                "Of 100 scans with such an answer, %(count)s showed COVID-19, counted on the decided scans of this "
                "site. Where the disease is rarer or the scanner differs, the count differs too."
            )
        return _(
            "Of 100 scans with such an answer, %(count)s showed COVID-19, counted on the images on which "
            "the model was calibrated. Where the disease is rarer or the scanner differs, the count "
            "differs too."
        )

    @property
    def confirmable(self) -> Label | None:
        """The label with which a reader would agree; none where the model has decided nothing."""
        return Label(self.decision) if self.decision in (Decision.COVID, Decision.NON_COVID) else None


def shown_answers(user: User, scans: Sequence[Scan]) -> dict[int, AnswerOnPage]:
    """Returns what to show of each scan, by its id. A place in the queue costs a question, so only the first few
    waiting scans have one.
    """
    hidden = disclose(user, scans)
    answers = answers_by_scan(scans)
    shown: dict[int, AnswerOnPage] = {}
    waiting = 0
    notes = SiteNotes(user)
    serving = active_model() if any(scan.site.awaits_validation for scan in scans) else None
    for scan in scans:
        prediction = answers[scan.pk].current
        waiting += prediction is not None and prediction.is_waiting
        answer = _shown(user, scan, prediction, scan.pk in hidden, with_place=waiting <= PLACES_SHOWN)
        if answer.is_done:
            answer = _with_others(user, answer, answers[scan.pk])
        shown[scan.pk] = _with_note(answer, notes, serving)
    return shown


def _with_note(answer: AnswerOnPage, notes: SiteNotes, serving: ModelVersion | None) -> AnswerOnPage:
    """Adds whether the model is validated at the site, or why there is no answer to see there."""
    if answer.is_done and answer.prediction is not None:
        return replace(answer, note=notes.of(answer.scan.site, answer.prediction.model_version))
    if serving is None or answer.has_failed or answer.is_hidden or not answer.scan.site.awaits_validation:
        return answer
    note = notes.of(answer.scan.site, serving)
    return answer if note.is_validated else replace(answer, note=note, is_kept_back=True)


def shown_answer(user: User, scan: Scan) -> AnswerOnPage:
    """As `shown_answers`, with what the model says of each slice."""
    shown = shown_answers(user, [scan])[scan.pk]
    if not shown.is_done or shown.prediction is None:
        return shown
    slices = list(shown.prediction.slice_answers.select_related("slice").defer("map_png"))
    return replace(shown, slices=slices, text=describe(shown.prediction, slices=slices))


def _shown(user: User, scan: Scan, prediction: Prediction | None, is_hidden: bool, *, with_place: bool) -> AnswerOnPage:
    if prediction is None or (is_hidden and prediction.is_done):
        return AnswerOnPage(scan=scan, prediction=prediction, is_hidden=is_hidden)
    prediction.scan = scan
    return AnswerOnPage(
        scan=scan,
        prediction=prediction,
        text=_words(prediction, with_place=with_place),
        is_hidden=is_hidden,
        can_retry=prediction.is_retriable and scan.is_ready and may_retry(user, scan),
    )


def _with_others(user: User, answer: AnswerOnPage, answers: ScanAnswers) -> AnswerOnPage:
    """The answer with what was said before it, and what is awaited after it."""
    for prediction in answers.earlier:
        prediction.scan = answer.scan
    earlier = [EarlierAnswer(prediction, describe(prediction)) for prediction in answers.earlier]
    failed = answers.reread is not None and answers.reread.is_retriable
    can_retry = failed and answer.scan.is_ready and not answer.scan.case.is_settled and may_retry(user, answer.scan)
    return replace(answer, earlier=earlier, rereading=answers.reread, can_retry=can_retry)


def _words(prediction: Prediction, *, with_place: bool) -> AnswerText:
    if prediction.is_waiting and not with_place:
        words = words_for_model(prediction.model_version)
        return AnswerText(_("Waiting for the model"), _("The answer appears here without reloading."), "", words, "")
    return describe(prediction)
