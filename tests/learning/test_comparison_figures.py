"""Tests the one reader of a comparison's figures, for rows of this release and of earlier ones."""

import pytest

from learning.comparison.comparison_figures import ComparisonFigures, Difference, GateRecord, read_figures


def test_what_the_judge_stored_is_read_with_its_types():
    figures = read_figures(
        {
            "n": 30,
            "positives": 11,
            "patients": 28,
            "infected_patients": 10,
            "champion": {
                "n": 30,
                "positives": 11,
                "false_negatives": 1,
                "false_positives": 2,
                "sensitivity": 10 / 11,
                "ece": 0.09,
                "intervals": {"sensitivity": [0.6, 0.99], "auc": [None, None]},
                "decisions": {"covid": 20, "uncertain": 3, "unsuitable": 1},
            },
            "differences": {"sensitivity": {"value": 0.1, "low": -0.2, "high": 0.3, "gained": 1, "lost": 0}},
            "subgroups": [{"kind": "sex", "name": "Female", "n": 1, "positives": 1}],
            "gate": {"rules": 2, "margin": 0.05, "findings": [{"passed": False, "words": "Too few."}]},
            "left_out": {"patients": 3, "reason": "They were seen."},
            "failed": [{"name": "scan-000001"}],
        }
    )
    champion = figures.champion
    assert (champion.missed, champion.found, champion.false_alarms, champion.cleared) == (1, 10, 2, 17)
    assert (champion.calibration_error, champion.auc, champion.undecided) == (0.09, None, 4)
    assert champion.intervals == {"sensitivity": (0.6, 0.99)}
    assert figures.difference("sensitivity") == Difference(0.1, -0.2, 0.3, 1, 0)
    assert figures.difference("auc") == Difference()
    assert [(group.kind, group.name, group.n) for group in figures.groups] == [("sex", "Female", 1)]
    assert (figures.gate.rules, figures.gate.limits["margin"], figures.gate.not_met) == (2, 0.05, ("Too few.",))
    assert (figures.left_out_patients, figures.left_out_reason, figures.unreadable_scans) == (3, "They were seen.", 1)


def test_the_criteria_of_an_earlier_release_have_the_first_number():
    stored = {"gate": {"margin": 0.05, "least_positives": 10, "findings": [{"passed": True, "words": "Enough."}]}}
    assert read_figures(stored).gate.rules == 1


@pytest.mark.parametrize(
    "stored", [{}, {"champion": None, "differences": [], "gate": "open", "subgroups": None, "n": True, "failed": {}}]
)
def test_a_row_without_figures_or_with_strange_ones_is_read_as_empty(stored):
    figures = read_figures(stored)
    assert isinstance(figures, ComparisonFigures)
    assert (figures.n, figures.champion.missed, figures.champion.sensitivity) == (0, 0, None)
    assert (figures.groups, figures.gate) == ((), GateRecord())
