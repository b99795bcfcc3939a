"""What the gate finds, in sentences with figures."""

from typing import Any

import pytest

from learning.comparison.gate import judge_gate

LIMITS = {"margin": 0.05, "floor": 0.75, "least_positives": 10, "unanswered": 0.1}


def figures(
    *,
    value: float | None = 0.1,
    low: float | None = 0.0,
    specificity: float | None = 0.8,
    infected: int = 20,
    unsuitable: int = 3,
):
    return {
        "n": 60,
        "positives": 25,
        "infected_patients": infected,
        "champion": {"false_negatives": 5, "decisions": {"uncertain": 4, "unsuitable": 0}},
        "challenger": {
            "false_negatives": 3,
            "false_positives": 7,
            "specificity": specificity,
            "decisions": {"uncertain": 6, "unsuitable": unsuitable},
        },
        "failed": [{"name": "scan-000001"}],
        "differences": {"sensitivity": {"value": value, "low": low, "high": 0.2}},
    }


def test_a_better_model_passes_and_every_finding_is_a_sentence_with_figures():
    found = judge_gate(figures(), **LIMITS)
    assert found.passed
    assert found.reasons == [
        "20 infected test patients were compared; at least 10 are needed.",
        "The new model misses 3 of 25 infected scans, the one in service 5: a change in sensitivity of +10.0 points, "
        "95 % interval +0.0 to +20.0. Its lower end is not below the allowed −5.0.",
        "The new model calls 7 of 35 scans without infection infected: a specificity of 80.0 %, "
        "not below the floor of 75.0 %.",
        "The new model leaves 9 of 60 scans to the reader (uncertain or not suitable), the one in service 4. "
        "1 more could not be read by one of them and count for neither.",
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"low": -0.0501}, "Its lower end is below the allowed −5.0."),
        ({"value": 0.3, "low": -0.2}, "Its lower end is below the allowed −5.0."),
        ({"low": None}, "how sure the difference is cannot be computed from so few patients."),
        ({"specificity": 0.7499}, "below the floor of 75.0 %."),
        ({"specificity": None}, "specificity cannot be computed"),
        (
            {"unsuitable": 5},
            "leaves 11 of 60 scans to the reader (uncertain or not suitable), the one in service 4: more",
        ),
        ({"infected": 9}, "Only 9 infected test patients were compared; at least 10 are needed to judge by."),
    ],
)
def test_one_finding_that_does_not_hold_shuts_the_gate(facts: dict[str, Any], words: str):
    found = judge_gate(figures(**facts), **LIMITS)
    assert not found.passed
    (failing,) = [finding.words for finding in found.findings if not finding.passed]
    assert words in failing


@pytest.mark.parametrize("facts", [{"low": -0.05}, {"specificity": 0.75}, {"infected": 10}, {"unsuitable": 4}])
def test_the_limits_themselves_pass(facts: dict[str, Any]):
    assert judge_gate(figures(**facts), **LIMITS).passed
