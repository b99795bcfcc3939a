"""What only managers see: 403 for other roles, 404 for what is not theirs."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from ctportal.accounts.models import User
from ctportal.accounts.rights import REFUSALS, Right, sites_with
from ctportal.api.resource import Resource, caller


class ManagedResource(Resource):
    """Its rows have `visible_to`, and belong to all the sites of a data set instead of one."""

    def get_queryset(self) -> Any:
        require_manager(caller(self.request))
        return super().get_queryset()

    def fetch(self, *, right: Right = Right.MANAGE) -> Any:
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])


def require_manager(user: User) -> None:
    if not user.is_superuser and not sites_with(user, Right.MANAGE).exists():
        raise PermissionDenied(REFUSALS[Right.MANAGE])
