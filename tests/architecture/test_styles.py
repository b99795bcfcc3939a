"""The style sheets can be read and compared line by line."""

from pathlib import Path

import pytest

STYLES = sorted((Path(__file__).resolve().parents[2] / "ctportal" / "static" / "css").glob("*.css"))
LONGEST = 120


@pytest.mark.parametrize("sheet", STYLES, ids=lambda path: path.name)
def test_a_style_sheet_has_one_declaration_on_a_line(sheet: Path) -> None:
    lines = sheet.read_text().splitlines()
    assert [number for number, line in enumerate(lines, start=1) if len(line) > LONGEST and "data:" not in line] == []
    assert [number for number, line in enumerate(lines, start=1) if line.count(";") > 1] == []
