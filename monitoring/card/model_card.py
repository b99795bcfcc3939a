"""A model's card: what it is, was trained on, was measured to do, and where it must not be used.

Made anew whenever it is asked for, from what is stored of the model; nothing in it is written by hand here but its
limits, which hold for every model of this portal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from inference.answer_text import DISCLAIMER
from inference.models import ModelVersion
from monitoring.card.comparison_card import comparison_section
from monitoring.card.sections import (
    CardSection,
    CardTable,
    data_section,
    limits_section,
    measured_section,
    origin_section,
    service_section,
    sites_section,
    software_section,
    summary_section,
    thresholds_section,
    use_section,
)
from monitoring.lineage.tracer import Tracer

__all__ = ["CardSection", "CardTable", "ModelCard", "as_markdown", "model_card"]

SECTIONS: Sequence[Callable[[ModelVersion, Tracer], CardSection]] = (
    summary_section,
    use_section,
    limits_section,
    origin_section,
    data_section,
    measured_section,
    comparison_section,
    thresholds_section,
    sites_section,
    service_section,
    software_section,
)


@dataclass(frozen=True)
class ModelCard:
    model_id: int
    title: str
    status: str
    made_at: datetime
    disclaimer: str  # shown above everything, on screen and on paper
    sections: Sequence[CardSection]


def model_card(model: ModelVersion, user: User) -> ModelCard:
    """For everybody who works with the model's answers; what its data sets hold only as far as the user may see it."""
    tracer = Tracer(user)
    sections = [section for make in SECTIONS if not (section := make(model, tracer)).is_empty]
    return ModelCard(model.pk, str(model), model.get_status_display(), timezone.now(), str(DISCLAIMER), sections)


def as_markdown(card: ModelCard) -> str:
    """The same to take along: plain text that any reader of Markdown shows."""
    made = date_format(timezone.localtime(card.made_at), "DATETIME_FORMAT")
    lines = [f"# Model card: {_plain(card.title)}", "", f"> **{_plain(card.disclaimer)}**", ""]
    lines += [_("%(plain)s. This card was made on %(made)s.") % {"plain": _plain(card.status), "made": made}, ""]
    for section in card.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: CardSection) -> list[str]:
    lines = [f"## {_plain(section.title)}", ""]
    for paragraph in section.paragraphs:
        lines += [_plain(paragraph), ""]
    if section.facts:
        lines += [*_table(("", ""), section.facts), ""]
    for table in section.tables:
        lines += [f"### {_plain(table.title)}", "", *_table(table.header, table.rows), ""]
    return lines


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(header), "|" + "---|" * len(header), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """What a model's makers wrote stays text: no table is broken and no mark-up comes in."""
    text = " ".join(str(text).split())
    for mark, harmless in (("\\", "\\\\"), ("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("[", "\\["), ("`", "\\`")):
        text = text.replace(mark, harmless)
    return text
