"""The caller and the sites in which the caller works."""

from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiToken, Membership, Role, Scope, Site, User
from ctportal.api.resource import Resource, caller

ROLES = serializers.ListField(child=serializers.ChoiceField(choices=Role.choices))


class ReaderSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="display_name", read_only=True)

    class Meta:
        model = User
        fields = ["username", "name"]


class SiteSerializer(serializers.ModelSerializer):
    roles = serializers.SerializerMethodField(help_text="The caller's roles here.")
    readers = serializers.SerializerMethodField(help_text="Who can be assigned to read a case.")

    class Meta:
        model = Site
        fields = ["slug", "name", "blinded_reads", "awaits_validation", "roles", "readers"]

    @extend_schema_field(ROLES)
    def get_roles(self, site: Site) -> list[str]:
        user = self.context["request"].user
        return sorted({row.role for row in site.memberships.all() if row.user_id == user.pk})

    @extend_schema_field(ReaderSerializer(many=True))
    def get_readers(self, site: Site) -> Any:
        readers = [row.user for row in site.memberships.all() if row.role == Role.READER and row.user.is_active]
        return ReaderSerializer(readers, many=True).data


class TokenSerializer(serializers.ModelSerializer):
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))

    class Meta:
        model = ApiToken
        fields = ["name", "prefix", "scopes", "expires_at"]


class CallerSerializer(serializers.Serializer):
    username = serializers.CharField()
    name = serializers.CharField(source="display_name")
    token = TokenSerializer(allow_null=True, help_text="The token of this call; none in a session of the pages.")


@extend_schema_view(
    list=extend_schema(summary="List the caller's sites"),
    retrieve=extend_schema(summary="Read a site"),
)
class SiteViews(ListModelMixin, RetrieveModelMixin, Resource):
    """Serves the hospital departments. What belongs to a site is seen only by its members."""

    queryset = Site.objects.order_by("pk").prefetch_related(
        Prefetch("memberships", Membership.objects.select_related("user"))
    )
    serializer_class = SiteSerializer
    lookup_field = "slug"
    lookup_value_converter = "slug"


class CallerViews(Resource):
    queryset = User.objects.none()
    serializer_class = CallerSerializer
    pagination_class = None

    @extend_schema(operation_id="me_retrieve", summary="Who calls, and what the token may do")
    def retrieve(self, request: Request) -> Response:
        user = caller(request)
        return Response(
            CallerSerializer({"username": user.username, "display_name": user.display_name, "token": request.auth}).data
        )
