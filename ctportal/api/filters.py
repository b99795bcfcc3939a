"""Filters with the bounds that the database has."""

import django_filters
from django import forms
from drf_spectacular.utils import extend_schema_field

LARGEST_ID = 2**63 - 1


class IdField(forms.IntegerField):
    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"min_value": 1, "max_value": LARGEST_ID} | kwargs)  # type: ignore[arg-type]


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": LARGEST_ID})
class IdFilter(django_filters.Filter):
    field_class = IdField
