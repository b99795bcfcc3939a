"""The documents lead somewhere, and their pictures are small."""

import re
from pathlib import Path

import pytest

from docs.floors import BEGIN, END, below, imports
from docs.floors import picture as drawn_floors

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
PICTURES = sorted((CHECKOUT / "docs" / "pictures").iterdir())
LARGEST = 200_000
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_there(document):
    links = [link for link in LINK.findall(document.read_text()) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_picture_is_shown_and_small():
    shown = "".join(document.read_text() for document in DOCUMENTS)
    for picture in PICTURES:
        assert f"pictures/{picture.name}" in shown, picture.name
        assert picture.stat().st_size <= LARGEST, picture.name


def test_every_figure_of_the_read_me_is_in_the_model_card_or_its_experiments():
    section = (CHECKOUT / "README.md").read_text().split("## The model, honestly\n")[1].split("\n## ")[0]
    figures = re.findall(r"\b\d\.\d{3}\b|\b\d+ of \d+\b", section)
    card = "".join((CHECKOUT / "docs" / name).read_text() for name in ("model-card.md", "model-experiments.md"))
    assert figures
    assert [figure for figure in figures if figure not in card] == []


def test_the_picture_of_the_floors_is_that_of_the_imports():
    """`python -m docs.floors` draws it anew."""
    assert f"{BEGIN}{drawn_floors()}{END}" in (CHECKOUT / "docs" / "architecture.md").read_text()


def test_no_arrow_of_the_picture_leads_upwards():
    arrows = imports()
    assert [room for room in arrows if room in below(room, arrows)] == []


def test_one_upload_is_followed_to_its_review_through_eighteen_modules():
    document = (CHECKOUT / "docs" / "architecture.md").read_text()
    path = re.findall(r"^\d+\. `([\w/]+\.py)`", document, re.M)
    assert len(path) == 18
    assert [module for module in path if not (CHECKOUT / module).is_file()] == []
