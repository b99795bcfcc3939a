"""What only managers see: 403 for other roles, 404 for what is not theirs."""

from typing import Any

from django.shortcuts import get_object_or_404

from accounts.rights import Right, require_somewhere
from ctportal.api.resource import Resource, caller


class ManagedResource(Resource):
    """Its rows have `visible_to`, and belong to all the sites of a data set instead of one."""

    def get_queryset(self) -> Any:
        require_somewhere(caller(self.request), Right.MANAGE)
        return super().get_queryset()

    def fetch(self, *, right: Right = Right.MANAGE) -> Any:
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
