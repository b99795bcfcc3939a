"""Defines what the resources' serializers share."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Site, User
from accounts.plain_text import validate_lines
from accounts.refusals import LONGEST_REASON
from cases.validators import validate_one_line

# Docstrings of serializers appear in the schema, for its readers; notes for developers are comments.


# For what callers send: an unknown field is a mistake that they want to hear of.
class StrictSerializer(serializers.Serializer):
    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.CharField) and not field.read_only and not _is_one_line(field):
                field.validators = [*field.validators, validate_lines]
        return fields

    def to_internal_value(self, data: Any) -> Any:
        known = {name for name, field in self.fields.items() if not field.read_only}
        unknown = sorted(set(data) - known) if hasattr(data, "keys") else []
        if unknown:
            message = _("There is no such field to send; there are: %(sorted)s.") % {"sorted": ", ".join(sorted(known))}
            raise serializers.ValidationError({name: [message] for name in unknown}, code="unknown")
        return super().to_internal_value(data)


def _is_one_line(field: serializers.Field) -> bool:
    """Such a field refuses hidden characters already, and says so once."""
    return validate_one_line in field.validators


class NameOnly(serializers.SlugRelatedField):
    """Shows a related object by its name."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(slug_field=name, read_only=True, **kwargs)


@extend_schema_field(OpenApiTypes.STR)
class NamedField(serializers.SlugRelatedField):
    """An object by a name that people know, among those that the caller may know of."""

    default_error_messages = {
        "does_not_exist": gettext_lazy("Not found, or you have no access to it."),
        "invalid": gettext_lazy("Send the name as a string."),
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SiteField(NamedField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="slug", **kwargs)

    def get_queryset(self) -> Any:
        return Site.objects.visible_to(self.context["request"].user)


class ColleagueField(NamedField):
    """A person of a site of the caller's; whether a reader of the right one, the domain decides."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="username", **kwargs)

    def get_queryset(self) -> Any:
        sites = Site.objects.visible_to(self.context["request"].user)
        return User.objects.filter(memberships__site__in=sites, is_active=True).distinct()


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=LONGEST_REASON, help_text="Why; it stays on record.")
