from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from ctportal.pages.shared.plain_text import PlainText


class ModelCheckedForm(PlainText, forms.Form):
    """Collects some of a model's fields and asks the model's validators; saving is casework's business."""

    model: ClassVar[type[models.Model]]
    checked: ClassVar[tuple[str, ...]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {name: cleaned[name] for name in self.checked if name in cleaned}
        others = {field.name for field in self.model._meta.fields} - set(given)
        try:
            self.model(**given).clean_fields(exclude=others)
        except ValidationError as error:
            self.add_error(None, error)
        return cleaned
