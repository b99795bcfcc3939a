"""A model's card: what it is, was trained on, was measured to do, and where it must not be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ctportal.accounts.models import User
from inference.models import ModelVersion


@dataclass(frozen=True)
class CardTable:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class CardSection:
    """Shown in this order: paragraphs, facts (name and text), tables."""

    name: str  # stable, for anchors and the API
    title: str
    paragraphs: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[CardTable] = ()


@dataclass(frozen=True)
class ModelCard:
    model_id: int
    title: str
    status: str
    made_at: datetime
    disclaimer: str  # stands above everything, on screen and on paper
    sections: Sequence[CardSection]


def model_card(model: ModelVersion, user: User) -> ModelCard:
    raise NotImplementedError


def as_markdown(card: ModelCard) -> str:
    raise NotImplementedError
