"""docs/operations.md names every environment variable that the code reads, and none that it does not."""

import re
from pathlib import Path

from ctportal.standalone.secret_files import SECRETS

CHECKOUT = Path(__file__).resolve().parents[2]
READS = re.compile(r"""(?:env\.\w+\(|environ\.(?:get|pop)\(|environ\[)\s*["']([A-Z][A-Z_]+)["']""")
SET_BY_THE_PROJECT = {"DJANGO_SETTINGS_MODULE", "CTPORTAL_PROCESS", "PLAIN_DATABASE_URL"}
SET_BY_OTHERS = {"PATH", "CUDA_VISIBLE_DEVICES"}
READ_INDIRECTLY = {"HOST", "PORT", "DEMO_PASSWORD", "ALLOW_ROOT"}  # most of them through a mapping that is handed on


def variables_in_the_code() -> set[str]:
    files = [path for folder in ("ctportal", "cases", "inference", "ml") for path in (CHECKOUT / folder).rglob("*.py")]
    found = {name for path in files for name in READS.findall(path.read_text())}
    return (found | READ_INDIRECTLY) - SET_BY_THE_PROJECT - SET_BY_OTHERS


def test_the_page_names_every_secret_that_may_come_as_a_file():
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    (sentence,) = re.findall(r"^(`SECRET_KEY`.*?) may come from files", page, flags=re.MULTILINE | re.DOTALL)

    assert tuple(re.findall(r"`([A-Z_]+)`", sentence)) == SECRETS


def variables_in_the_table() -> set[str]:
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    section = page.split("## Environment variables")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([A-Z_]+)` \|", section, flags=re.MULTILINE))


def test_every_variable_that_the_code_reads_is_in_the_table():
    assert variables_in_the_code() - variables_in_the_table() == set()


def test_every_variable_in_the_table_is_read_by_the_code():
    assert variables_in_the_table() - variables_in_the_code() == set()


def test_the_settings_read_nothing_unseen():
    """The expression above must see every read of the settings, or the comparison means nothing."""
    settings = (CHECKOUT / "ctportal" / "settings.py").read_text()
    calls = len(re.findall(r"\benv\.(?!db_url_config|email_url_config)\w+\(|environ\.get\(", settings))

    assert calls == len(READS.findall(settings))
