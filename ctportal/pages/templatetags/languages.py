"""Counts, labels and stored sentences as parts of a translated sentence."""

from django import template

from accounts import formatting
from accounts.stored_words import said_again
from accounts.wording import in_sentence
from ctportal.pages.shared.script_texts import address_of_texts

register = template.Library()

register.simple_tag(address_of_texts, name="script_texts")
register.filter("in_sentence", in_sentence)
register.filter("said_again", said_again)
register.filter("scans", formatting.scans)
register.filter("test_scans", formatting.test_scans)
register.filter("patients", formatting.patients)
register.filter("cases", formatting.cases)
register.filter("open_cases", formatting.open_cases)


@register.filter
def in_brackets(words: str) -> str:
    """Puts what there is into brackets, after a space."""
    return f" ({words})" if words else ""
