"""Draws every form of the portal alike: with the classes of controls.css and our field template."""

from typing import Any

from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, FileInput, RadioSelect, Select
from django.forms.renderers import TemplatesSetting


class PortalBoundField(BoundField):
    @property
    def is_check(self) -> bool:
        return isinstance(self.field.widget, CheckboxInput)

    @property
    def is_marked_optional(self) -> bool:
        """Filters are all optional; a form of them sets marks_optional to False."""
        return not self.field.required and getattr(self.form, "marks_optional", True)

    def build_widget_attrs(self, attrs: dict[str, Any], widget: Any = None) -> dict[str, Any]:
        widget = widget or self.field.widget
        attrs = super().build_widget_attrs(attrs, widget)
        classes = [widget.attrs.get("class", ""), attrs.get("class", ""), widget_class(widget)]
        # Asking a form that was not sent for its errors is harmless: it has none.
        if self.errors:
            classes.append("is-invalid")
        if joined := " ".join(filter(None, classes)):
            attrs["class"] = joined
        return attrs


def widget_class(widget: Any) -> str:
    if isinstance(widget, CheckboxInput | RadioSelect | CheckboxSelectMultiple):
        return "form-check-input"
    if isinstance(widget, Select):
        return "form-select"
    if isinstance(widget, FileInput) or getattr(widget, "input_type", "text") != "hidden":
        return "form-control"
    return ""


class PortalRenderer(TemplatesSetting):
    form_template_name = "components/_form.html"
    field_template_name = "components/_field.html"
    bound_field_class = PortalBoundField
