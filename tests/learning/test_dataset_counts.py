"""The one reader of a data set's counts, for rows of this release and of earlier ones."""

import pytest

from learning.datasets.dataset_counts import read_counts


def test_what_was_stored_is_read_with_its_types():
    counts = read_counts(
        {
            "scans": 5,
            "images": 9,
            "patients": 4,
            "by_split": [{"split": "test", "patients": 2, "covid": 1, "non_covid": 2, "images": 4}],
            "by_source": [
                {"source": "north", "title": "Radiology North", "is_base": False, "covid": 2, "non_covid": 3}
            ],
            "by_agreement": {"single": 5},
            "excluded": {"unreviewed": 7, "withdrawn": 1},
            "superseded_reviews": 3,
            "base_duplicates": 2,
        }
    )
    assert [(row.split.value, row.patients, row.scans) for row in counts.splits] == [
        ("train", 0, 0),
        ("validation", 0, 0),
        ("test", 2, 3),
    ]
    assert [(row.title, row.scans, row.is_base) for row in counts.sources] == [("Radiology North", 5, False)]
    assert (counts.covid, counts.non_covid, counts.left_out) == (1, 2, 8)
    assert (counts.agreements, counts.superseded_reviews, counts.base_duplicates) == ({"single": 5}, 3, 2)


def test_a_source_of_an_earlier_release_without_a_title_goes_by_its_name():
    assert read_counts({"by_source": [{"source": "covid-ct", "covid": 3}]}).sources[0].title == "covid-ct"


@pytest.mark.parametrize("stored", [{}, {"scans": "5", "by_split": {}, "by_source": [None], "excluded": []}])
def test_a_row_without_counts_or_with_strange_ones_is_read_as_empty(stored):
    counts = read_counts(stored)
    assert (counts.scans, counts.patients, counts.left_out, len(counts.splits)) == (0, 0, 0, 3)
    assert (counts.sources, counts.excluded) == ((), {})
