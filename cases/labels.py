"""The one rule that turns reviews into a scan's final label."""

from collections.abc import Sequence
from enum import StrEnum


class Agreement(StrEnum):
    NONE = "unreviewed"
    SINGLE = "single reader"
    CONSENSUS = "consensus"
    DISAGREEMENT = "disagreement"


def agreement(current_labels: Sequence[str]) -> Agreement:
    if not current_labels:
        return Agreement.NONE
    if len(set(current_labels)) > 1:
        return Agreement.DISAGREEMENT
    return Agreement.SINGLE if len(current_labels) == 1 else Agreement.CONSENSUS


def disagree(current_labels: Sequence[str]) -> bool:
    """Whether two readers hold different labels now; one of them changes the decision, or another reader decides."""
    return agreement(current_labels) == Agreement.DISAGREEMENT


def final_label(current_labels: Sequence[str]) -> str | None:
    """The label on which every reader's current review agrees; none while they differ."""
    return current_labels[0] if len(set(current_labels)) == 1 else None
