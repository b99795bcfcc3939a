"""Counts and labels as parts of a translated sentence."""

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import ngettext

from accounts.stored_words import said_again
from accounts.wording import in_sentence

register = template.Library()

register.filter("in_sentence", in_sentence)
register.filter("said_again", said_again)


@register.filter
def in_brackets(words: str) -> str:
    """Puts what there is into brackets, after a space."""
    return f" ({words})" if words else ""


@register.filter
def scans(number: int) -> str:
    return ngettext("%(number)s scan", "%(number)s scans", number) % {"number": intcomma(number)}


@register.filter
def test_scans(number: int) -> str:
    return ngettext("%(number)s test scan", "%(number)s test scans", number) % {"number": intcomma(number)}


@register.filter
def patients(number: int) -> str:
    return ngettext("%(number)s patient", "%(number)s patients", number) % {"number": intcomma(number)}


@register.filter
def cases(number: int) -> str:
    return ngettext("%(number)s case", "%(number)s cases", number) % {"number": intcomma(number)}


@register.filter
def open_cases(number: int) -> str:
    return ngettext("%(number)s open case", "%(number)s open cases", number) % {"number": intcomma(number)}
