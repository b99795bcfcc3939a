"""Searches for people by what identifies them. The words travel in a body: addresses are kept in logs and histories."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

SEARCH_PAGES = (
    "The words travel in the body, so that they are in no address. The filters of the list apply too, in the query. "
    "For the next page, send the same body to `next`."
)


class SearchedInBody:
    """For a view whose rows can be searched for by what only a body may carry."""

    search_class: type[serializers.Serializer]

    def _known_parameters(self) -> set[str]:
        """What belongs into a body is refused with its own words, further down."""
        view: Any = super()
        return view._known_parameters() | set(self.search_class().fields)

    def searched(self, rows: Any, sent: dict[str, Any]) -> Any:
        """The rows that what was sent speaks of."""
        raise NotImplementedError

    def shown_page(self, rows: Sequence[Any]) -> Any:
        """The page as the list shows it."""
        raise NotImplementedError

    def filter_queryset(self, queryset: Any) -> Any:
        view: Any = self
        in_address = sorted(set(view.request.query_params) & set(self.search_class().fields))
        if in_address:
            words = _("Send it in the body of a POST to %(reverse_action)s; addresses are kept in logs.") % {
                "reverse_action": view.reverse_action("search")
            }
            raise serializers.ValidationError({name: [words] for name in in_address}, code="in_address")
        return super().filter_queryset(queryset)  # type: ignore[misc]

    def search(self, request: Request) -> Response:
        view: Any = self
        sent = self.search_class(data=request.data)
        sent.is_valid(raise_exception=True)
        found = self.searched(view.get_queryset(), sent.validated_data)
        self.searched_by = sorted(name for name, value in sent.validated_data.items() if value)
        return view.get_paginated_response(self.shown_page(view.paginate_queryset(view.filter_queryset(found))))
