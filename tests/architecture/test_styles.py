"""The style sheets can be read and compared line by line, and hold every class that templates name."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "ctportal" / "static"
TEMPLATES = STATIC.parent / "templates"
STYLES = sorted((STATIC / "css").glob("*.css"))
LONGEST = 120


@pytest.mark.parametrize("sheet", STYLES, ids=lambda path: path.name)
def test_a_style_sheet_has_one_declaration_on_a_line(sheet: Path) -> None:
    lines = sheet.read_text().splitlines()
    assert [number for number, line in enumerate(lines, start=1) if len(line) > LONGEST and "data:" not in line] == []
    assert [number for number, line in enumerate(lines, start=1) if line.count(";") > 1] == []


# Scripts and tests find elements by these; they have no style.
HOOKS = {
    "answer",
    "field-wrong",
    "model-words",
    "requirements",
    "scan-answer",
    "scan-list-name",
    "telling-words",
    "upload",
}


def test_every_class_that_a_template_names_is_defined_in_a_style_sheet():
    sheets = [*STYLES, STATIC / "vendor" / "bootstrap-icons" / "bootstrap-icons.min.css"]
    defined = {name for sheet in sheets for name in re.findall(r"\.([a-zA-Z][\w-]*)", sheet.read_text())}
    unknown = {
        f"{template.name}: {name}"
        for template in TEMPLATES.rglob("*.html")
        for names in re.findall(r'class="([^"]*)"', re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "…", template.read_text()))
        for name in names.replace("…", " … ").split()
        if "…" not in name and not name.endswith("-") and name not in defined | HOOKS
    }
    assert unknown == set()
