"""The tables as files: what the page shows, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from accounts.models import User
from cases.models import Review, Scan
from inference.models import ModelVersion
from monitoring.tables import Table, as_csv, tables
from tests.monitoring.conftest import row_answer


def test_every_table_of_the_page_is_a_file(
    figures: Callable[..., Any],
    sent: Callable[..., Scan],
    model: ModelVersion,
    rita: User,
    rob: User,
    review: Callable[..., Review],
) -> None:
    scan = sent()
    row_answer(scan, model, "non_covid", 0.25)
    review(scan, rita, "covid", "Ground glass.")
    review(scan, rob, "covid", "Ground glass.")
    made = tables(figures())
    assert list(made) == ["models", "series", "missed", "drift", "drift_bins", "readers", "alarms"]
    for table in made.values():
        rows = list(csv.reader(io.StringIO(as_csv(table))))
        assert rows[0] == list(table.header)
        assert all(len(row) == len(table.header) for row in rows)
    assert as_csv(made["missed"]).splitlines()[1].startswith(f"{scan.pk},{scan.case_id},Radiology North,phantom-net 1,")
    models = list(csv.DictReader(io.StringIO(as_csv(made["models"]))))
    assert [row["model"] for row in models] == ["all, current answers", "phantom-net 1"]
    assert (models[1]["missed"], models[1]["missed_rate"], models[1]["override_rate"]) == ("1", "1", "1")
    assert len(made["series"].rows) == 2 * 7


def test_what_looks_like_a_formula_is_made_harmless_and_numbers_stay_numbers() -> None:
    table = Table("t", "T", ["a", "b"], [["=1+1", -0.5], ["@x", None], ["\t=1", 3], ["plain", 1 / 3]])
    assert as_csv(table) == "a,b\r\n'=1+1,-0.5\r\n'@x,\r\n'\t=1,3\r\nplain,0.333333\r\n"
