"""Tests that no form takes text which hides something, and that the field says so."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms

import ctportal.pages
from accounts.models import Action, Event
from accounts.refusals import WrongState, bounded_text
from cases.models import Patient
from ctportal.pages.reading.forms import DraftForm
from ctportal.pages.shared.checked_form import ModelCheckedForm
from ctportal.pages.shared.plain_text import PlainText

pytestmark = pytest.mark.django_db

HIDDEN = ["a\0b", "a\x1bb", "a\x85b", "MRN-\u202e54321", "a\u2066b", "a\u200fb", "a\u200bb", "\ufeffa", "a\u2028b"]
KEPT_AS_TYPED = {DraftForm}
"""A draft is what its reader has typed so far; the decision is what is checked."""


def own_forms() -> Iterator[type[forms.BaseForm]]:
    for module in pkgutil.walk_packages(ctportal.pages.__path__, "ctportal.pages."):
        importlib.import_module(module.name)
    waiting: list[type[Any]] = [forms.Form, forms.ModelForm]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        is_signing_in = any(base.__module__.startswith("allauth.") for base in found.__mro__)
        if found.__module__.startswith("ctportal.pages.") and not is_signing_in:
            yield found


def takes_text(form: type[forms.BaseForm]) -> bool:
    kinds = (type(field) for field in form.base_fields.values())  # type: ignore[attr-defined]  # the stubs lack it
    return any(issubclass(kind, forms.CharField) for kind in kinds) or issubclass(form, ModelCheckedForm)


FORMS = sorted({form for form in own_forms() if takes_text(form)} - KEPT_AS_TYPED, key=lambda form: form.__name__)


def test_the_forms_are_found():
    assert {"CaseForm", "DecisionForm", "NewPatientForm", "TokenForm"} <= {form.__name__ for form in FORMS}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_that_takes_text_refuses_what_hides(form):
    assert issubclass(form, PlainText)
    assert form.clean is not forms.Form.clean


@pytest.mark.parametrize("text", HIDDEN)
@pytest.mark.parametrize("form", [forms.CharField(), forms.CharField(widget=forms.Textarea)])
def test_a_text_field_names_itself_where_its_text_hides_something(form, text):
    class Typed(PlainText, forms.Form):
        words = form

    typed = Typed({"words": text})

    assert not typed.is_valid()
    assert list(typed.errors) == ["words"]


def test_a_password_may_hold_anything():
    class Typed(PlainText, forms.Form):
        password = forms.CharField(widget=forms.PasswordInput)

    assert Typed({"password": "a\u200bb"}).is_valid()


def test_a_text_of_several_lines_keeps_them():
    class Typed(PlainText, forms.Form):
        words = forms.CharField(widget=forms.Textarea)

    assert Typed({"words": "One.\r\nTwo."}).is_valid()


@pytest.mark.parametrize("text", HIDDEN[1:])
def test_a_reason_that_hides_something_is_refused_whoever_asks(text):
    with pytest.raises(WrongState, match="no control and no invisible"):
        bounded_text(text)


@pytest.mark.parametrize("field", ["name", "record_number"])
def test_the_patients_page_says_at_the_field_what_to_remove(login, cara, north, field):
    facts = {"record_number": "N-77", "name": "Nora New", "birth_date": "1970-01-02", "sex": "F", "site": north.pk}

    page = login(cara).post("/patients/new/", {**facts, field: "a\u202eb"})

    assert list(page.context["form"].errors) == [field]
    assert not Patient.objects.filter(record_number="N-77").exists()
    assert not Event.objects.filter(action=Action.PATIENT_REGISTERED).exists()
