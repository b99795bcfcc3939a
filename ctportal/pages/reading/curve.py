"""Draws the course of the slices' probabilities through a series, as the geometry of a small drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.formatting import probability, whole_share
from inference.answer_text import slices_that_mattered
from inference.models import SliceAnswer

WIDTH, HEIGHT = 1000, 100


@dataclass(frozen=True)
class CurvePoint:
    number: int
    x: float
    y: float
    chance: str
    mattered: bool
    share: str


@dataclass(frozen=True)
class Curve:
    points: tuple[CurvePoint, ...]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def path(self) -> str:
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.points)

    @property
    def mattered(self) -> list[CurvePoint]:
        return [point for point in self.points if point.mattered]


def draw_curve(answers: Sequence[SliceAnswer]) -> Curve | None:
    """From the first slice at the left to the last at the right; a lone slice has no course."""
    if len(answers) < 2:
        return None
    telling = {answer.pk for answer in slices_that_mattered(answers)}
    step = WIDTH / (len(answers) - 1)
    return Curve(
        tuple(
            CurvePoint(
                number=answer.slice.position + 1,
                x=round(index * step, 2),
                y=round((1 - answer.probability) * HEIGHT, 2),
                chance=probability(answer.probability),
                mattered=answer.pk in telling,
                share=whole_share(answer.weight),
            )
            for index, answer in enumerate(answers)
        )
    )
