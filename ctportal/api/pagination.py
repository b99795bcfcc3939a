"""Pages by position, not by number: rows added or removed meanwhile neither repeat nor hide others."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.core import signing
from django.db.models import Model, Q
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

if TYPE_CHECKING:
    from rest_framework.views import APIView

SALT = "ctportal.api.cursor"
Position = list[Any]


class CursorPagination(BasePagination):
    """Follows the queryset's own ordering, which ends in the primary key, so each row has one place."""

    default_size, max_size = 50, 200

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self.request = request
        self.order = [str(name) for name in queryset.query.order_by or queryset.model._meta.ordering]
        size, (backwards, position) = self._size(), self._cursor()
        order = [_flipped(name) for name in self.order] if backwards else self.order
        if position is not None:
            queryset = queryset.filter(_after(order, position))
        rows = list(queryset.order_by(*order)[: size + 1])
        more, rows = len(rows) > size, rows[:size]
        if backwards:
            rows.reverse()
        self.has_next = bool(rows) and (backwards or more)
        self.has_previous = bool(rows) and (more if backwards else position is not None)
        self.rows = rows
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._link(ahead=True), "previous": self._link(ahead=False), "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "A place in the list; follow the links `next` and `previous` rather than write one.",
                "schema": {"type": "string"},
            },
            {
                "name": "page_size",
                "in": "query",
                "required": False,
                "description": "How many rows at most.",
                "schema": {"type": "integer", "minimum": 1, "maximum": self.max_size, "default": self.default_size},
            },
        ]

    def _size(self) -> int:
        text = self.request.query_params.get("page_size")
        if text is None:
            return self.default_size
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= self.max_size):
            raise ValidationError({"page_size": _("Ask for 1 to %(max_size)s rows.") % {"max_size": self.max_size}})
        return int(text)

    def _cursor(self) -> tuple[bool, Position | None]:
        text = self.request.query_params.get("cursor")
        if text is None:
            return False, None
        try:
            backwards, order, position = signing.loads(text, salt=SALT)
        except (signing.BadSignature, ValueError) as error:
            raise ValidationError({"cursor": _("This is no cursor of ours; begin without one.")}) from error
        if order != self.order:
            raise ValidationError({"cursor": _("This cursor belongs to another order; begin without one.")})
        return backwards, position

    def _link(self, *, ahead: bool) -> str | None:
        if not (self.has_next if ahead else self.has_previous):
            return None
        row: Model = self.rows[-1] if ahead else self.rows[0]
        cursor = signing.dumps([not ahead, self.order, _position(row, self.order)], salt=SALT)
        kept = [(name, value) for name, value in self.request.query_params.lists() if name != "cursor"]
        query = urlencode([*kept, ("cursor", [cursor])], doseq=True)
        return self.request.build_absolute_uri(f"{self.request.path}?{query}")


def _flipped(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _position(row: Model, order: list[str]) -> Position:
    """The row's values as JSON that a lookup reads back."""
    values = [getattr(row, name.lstrip("-")) for name in order]
    return [value.isoformat() if isinstance(value, datetime) else value for value in values]


def _after(order: list[str], position: Position) -> Q:
    """Keeps the rows behind the position: a later first value, or the same first and a later second, and so on."""
    wanted, same = Q(), Q()
    for name, value in zip(order, position, strict=True):
        field = name.lstrip("-")
        later = Q(**{f"{field}__{'lt' if name.startswith('-') else 'gt'}": value})
        wanted |= same & later
        same &= Q(**{field: value})
    return wanted
