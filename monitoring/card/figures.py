"""A model's figures as a table: one line for each set it was measured on, what it missed first.

The artefact nests its figures by split and by unit; a line is every object that counts false negatives. The folds of a
cross-validation make one line together, and one for their scans.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.formatting import decimal, share

DEPTH = 5
LEAST_FOR_A_SHARE = 5
SUMMED = ("n", "positives", "false_negatives", "false_positives")
AVERAGED = ("sensitivity", "specificity", "auc")


@dataclass(frozen=True)
class FigureLine:
    measured_on: str
    missed: str
    false_alarms: str
    sensitivity: str
    specificity: str
    auc: str
    missed_share: str = ""
    false_alarm_share: str = ""
    note: str = ""  # what must be known to read it, such as that a split leaks


def figure_lines(metrics: Any) -> list[FigureLine]:
    return [_line(path, figures) for path, figures in _measured(metrics, ())]


def card_lines(card: Any) -> list[tuple[str, str]]:
    """Returns what the model's makers say of it, as pairs of name and text."""
    if not isinstance(card, dict):
        return []
    return [(_words(name), _text(value)) for name, value in card.items() if value not in (None, "", [], {})]


def _measured(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if not isinstance(node, dict) or len(path) > DEPTH:
        return
    if isinstance(node.get("false_negatives"), int):
        yield path, node
    yield from _folds(node, path)
    for name, child in node.items():
        yield from _measured(child, (*path, str(name)))


def _folds(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Counts added up over the folds, each at its own threshold; rates as the mean over them."""
    folds = node.get("folds")
    models = [fold.get("model") for fold in folds if isinstance(fold, dict)] if isinstance(folds, list) else []
    for name, parts in (("", models), ("groups", [part.get("groups") for part in models if isinstance(part, dict)])):
        known = [part for part in parts if isinstance(part, dict) and isinstance(part.get("false_negatives"), int)]
        if known and len(known) == len(parts):
            summed = {key: sum(part.get(key) or 0 for part in known) for key in SUMMED}
            means = {key: _mean([part.get(key) for part in known]) for key in AVERAGED}
            yield (*path, name) if name else path, {**summed, **means, "note": node.get("note")}


def _mean(values: list[Any]) -> float | None:
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return sum(numbers) / len(numbers) if numbers and len(numbers) == len(values) else None


def _line(path: tuple[str, ...], figures: dict[str, Any]) -> FigureLine:
    positives = figures.get("positives")
    total = figures.get("n")
    negatives = total - positives if isinstance(total, int) and isinstance(positives, int) else None
    return FigureLine(
        measured_on=" · ".join(_words(part) for part in path) or _("All"),
        missed=_of(figures["false_negatives"], positives),
        false_alarms=_of(figures.get("false_positives"), negatives),
        missed_share=_part(figures["false_negatives"], positives),
        false_alarm_share=_part(figures.get("false_positives"), negatives),
        sensitivity=share(figures.get("sensitivity")),
        specificity=share(figures.get("specificity")),
        auc=decimal(figures.get("auc"), 3),
        note=str(figures.get("note") or ""),
    )


def _of(count: Any, total: Any) -> str:
    return (
        _("%(count)s of %(total)s") % {"count": count, "total": total}
        if total is not None
        else str(count if count is not None else "–")
    )


def _part(count: Any, total: Any) -> str:
    """Empty where there is nothing to divide, or too few for a percentage to mean anything."""
    if not isinstance(count, int) or not isinstance(total, int) or total < LEAST_FOR_A_SHARE:
        return ""
    return share(count / total)


def _words(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{_words(str(name))}: {_text(item)}" for name, item in value.items())
    return str(value)
