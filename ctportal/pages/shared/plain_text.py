from typing import Any

from django import forms

from accounts.plain_text import REFUSED, hides_something


class PlainText:
    """Refuses hidden characters in every text field of a form; passwords may hold what their owner likes."""

    fields: dict[str, forms.Field]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}  # type: ignore[misc]
        for name in [name for name, field in self.fields.items() if _is_text(field)]:
            value = cleaned.get(name)
            lines = isinstance(self.fields[name].widget, forms.Textarea)
            if isinstance(value, str) and hides_something(value, lines=lines):
                self.add_error(name, REFUSED)  # type: ignore[attr-defined]
        return cleaned


def _is_text(field: forms.Field) -> bool:
    return isinstance(field, forms.CharField) and not isinstance(field.widget, forms.PasswordInput)
