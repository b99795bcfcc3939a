"""Tests what the promotion criteria find, in sentences with figures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from learning.checks import gate_limits_make_sense
from learning.comparison.comparison_figures import read_figures
from learning.comparison.gate import GateLimits, judge_gate
from ml.evaluation.paired import Side, paired_figures

LIMITS = GateLimits(
    margin=0.05,
    power=0.8,
    disagreement=0.05,
    least_positives=10,
    floor=0.75,
    specificity_loss=0.1,
    calibration_loss=0.05,
    auc_loss=0.02,
    unanswered=0.1,
)


def figures(
    *,
    value: float | None = 0.1,
    low: float | None = 0.0,
    specificity: float | None = 0.8,
    ece: float | None = 0.1,
    auc: float | None = 0.9,
    infected: int = 205,
    unsuitable: int = 3,
):
    return read_figures(
        {
            "n": 60,
            "positives": 25,
            "infected_patients": infected,
            "champion": {
                "false_negatives": 5,
                "specificity": 0.85,
                "ece": 0.08,
                "auc": 0.91,
                "decisions": {"uncertain": 4, "unsuitable": 0},
            },
            "challenger": {
                "false_negatives": 3,
                "false_positives": 7,
                "specificity": specificity,
                "ece": ece,
                "auc": auc,
                "decisions": {"uncertain": 6, "unsuitable": unsuitable},
            },
            "failed": [{"name": "scan-000001"}],
            "differences": {"sensitivity": {"value": value, "low": low, "high": 0.2}},
        }
    )


def test_a_better_model_passes_and_every_finding_is_a_sentence_with_figures():
    found = judge_gate(figures(), LIMITS)
    assert found.passed
    assert found.reasons == [
        "205 infected test patients were compared; at least 205 are needed.",
        "The new model misses 3 of 25 infected scans, the one in service 5: a change in sensitivity of +10.0 points, "
        "95 % interval 0.0 to +20.0. Its lower end is not below the allowed −5.0.",
        "The new model calls 7 of 35 scans without infection infected: a specificity of 80.0 %, "
        "not below the floor of 75.0 %.",
        "The new model's specificity is 80.0 %, that of the one in service 85.0 %: "
        "not worse by more than the allowed 10.0 points.",
        "The new model's calibration error is 10.0 points, that of the one in service 8.0 points: "
        "not worse by more than the allowed 5.0 points.",
        "The new model's AUC is 0.900, that of the one in service 0.910: not worse by more than the allowed 0.020.",
        "The new model leaves 9 of 60 scans to the reader (uncertain or not suitable), the one in service 4. "
        "1 more could not be read by one of them and count for neither.",
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"low": -0.0501}, "Its lower end is below the allowed −5.0."),
        ({"value": 0.3, "low": -0.2}, "Its lower end is below the allowed −5.0."),
        ({"low": None}, "how sure the difference is cannot be computed from so few patients."),
        ({"specificity": 0.7499}, "worse by 10.0 points, more than the allowed 10.0 points"),
        ({"ece": 0.14}, "is 14.0 points, that of the one in service 8.0 points: worse by 6.0 points, more than"),
        ({"ece": None}, "calibration error cannot be compared: it was not measured for both."),
        ({"auc": 0.88}, "worse by 0.030, more than the allowed 0.020."),
        (
            {"unsuitable": 5},
            "leaves 11 of 60 scans to the reader (uncertain or not suitable), the one in service 4: more",
        ),
        ({"infected": 204}, "Only 204 infected test patients were compared; at least 205 are needed."),
    ],
)
def test_one_criterion_that_is_not_met_is_a_reason_against(facts: dict[str, Any], words: str):
    found = judge_gate(figures(**facts), replace(LIMITS, floor=0.7))
    assert not found.passed
    (failing,) = [finding.words for finding in found.findings if not finding.passed]
    assert words in failing


@pytest.mark.parametrize(
    ("specificity", "words"), [(0.7499, "below the floor of 75.0 %."), (None, "specificity cannot be computed")]
)
def test_a_specificity_below_the_floor_or_unknown_is_a_reason_against(specificity, words):
    found = judge_gate(figures(specificity=specificity), replace(LIMITS, specificity_loss=0.5))
    assert words in next(finding.words for finding in found.findings if not finding.passed)


@pytest.mark.parametrize(
    "facts", [{"low": -0.05}, {"specificity": 0.75}, {"ece": 0.13}, {"auc": 0.89}, {"infected": 205}, {"unsuitable": 4}]
)
def test_the_limits_themselves_pass(facts: dict[str, Any]):
    assert judge_gate(figures(**facts), LIMITS).passed


def test_one_plain_sentence_says_how_many_infected_there_are_and_how_many_are_needed():
    words = judge_gate(figures(infected=11), LIMITS).reasons[0]
    assert words == "Only 11 infected test patients were compared; at least 205 are needed."


def test_the_least_number_of_infected_is_stored_with_its_calculation():
    assert LIMITS.as_stored()["calculation"] == (
        "205 give a chance of 80 % to show that the new model finds at most 5 points fewer "
        "infections, if both in truth find equally many and differ on 5 % of the "
        "infected; with fewer than 73 it could not be shown even if no answer differed."
    )
    asked = replace(LIMITS, least_positives=300)
    assert asked.least_infected == 300
    assert "GATE_LEAST_POSITIVES" in asked.as_stored()["calculation"]


def compared(*, alarms: tuple[int, int]):
    """11 infected and 12 others; neither model misses an infection, and each raises some false alarms."""
    labels = np.array([1] * 11 + [0] * 12)
    before, now = (
        Side(np.array([0.95] * 11 + [0.9] * count + [0.1] * (12 - count)), ["covid"] * 23, 0.5) for count in alarms
    )
    found = paired_figures(labels, np.arange(23).astype(str), before, now, repeats=100)
    return found | {"infected_patients": 11}


def test_a_worse_model_that_misses_none_of_eleven_is_refused_with_all_reasons():
    """Both models find all 11; what differs is specificity (91.7 to 75 %), calibration error (9 to 22 points) and AUC
    (0.992 to 0.962).
    """
    measured = compared(alarms=(1, 3))
    measured["champion"] |= {"ece": 0.09, "auc": 0.992}
    measured["challenger"] |= {"ece": 0.22, "auc": 0.962}
    found = judge_gate(read_figures(measured), LIMITS)
    against = [finding.words for finding in found.findings if not finding.passed]
    assert [words.split(";")[0].split(":")[0] for words in against] == [
        "Only 11 infected test patients were compared",
        "The new model misses 0 of 11 infected scans, the one in service 0",
        "The new model's specificity is 75.0 %, that of the one in service 91.7 %",
        "The new model's calibration error is 22.0 points, that of the one in service 9.0 points",
        "The new model's AUC is 0.962, that of the one in service 0.992",
    ]
    assert "95 % interval −25.9 to +25.9" in against[1]


def test_limits_that_make_no_sense_are_found_when_the_portal_starts(settings):
    assert gate_limits_make_sense(None) == []
    settings.GATE_POWER = 1.0
    (error,) = gate_limits_make_sense(None)
    assert (error.id, "The power must lie between 0 and 1" in error.msg) == ("learning.E001", True)
