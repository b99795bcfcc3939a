"""Pages of long lists: rows are counted up to a bound, so that a page costs the same however many there are."""

from typing import Any, Final, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

COUNTED: Final = 10_000
COUNTED_IN_A_TAB: Final = 999


class BoundedPaginator(Paginator):
    """A paginator of at most the first `COUNTED` rows of a queryset; `is_cut` says that there are more."""

    @cached_property
    def _found(self) -> int:
        return bounded_count(cast(QuerySet[Any], self.object_list), COUNTED)

    @property
    def count(self) -> int:
        return min(self._found, COUNTED)

    @property
    def is_cut(self) -> bool:
        return self._found > COUNTED


def bounded_count(rows: QuerySet[Any], bound: int) -> int:
    """How many rows there are, or one more than the bound where there are more than that."""
    return rows.order_by().values("pk")[: bound + 1].count()
