"""How the models in service do, for the sites that the caller manages."""

from datetime import timedelta

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_dataclasses.serializers import DataclassSerializer

from accounts.models import Site
from accounts.refusals import WrongState
from ctportal.api.fields import SiteField, StrictSerializer
from ctportal.api.resource import Resource, caller
from monitoring.figures import monitor
from monitoring.results import Monitoring
from monitoring.tables import as_csv, tables

DAYS = 30


class MonitoringSerializer(DataclassSerializer):
    class Meta:
        dataclass = Monitoring


class PeriodQuery(StrictSerializer):
    site = SiteField(required=False, help_text="The slug of a site; all that the caller manages where none is named.")
    start = serializers.DateField(
        required=False, help_text="The first day, in the caller's time zone; else 30 days back."
    )
    end = serializers.DateField(required=False, help_text="The last day, counted too; today where none is named.")


class MonitoringViews(Resource):
    """Serves managers: waiting times, agreement, missed infections, abstentions, drift, and alarms in plain words."""

    queryset = Site.objects.all()
    serializer_class = MonitoringSerializer
    pagination_class = None
    filter_backends = []
    query = dict.fromkeys(("retrieve", "table"), frozenset(PeriodQuery().fields))

    @extend_schema(
        summary="Read the figures of a period",
        parameters=[PeriodQuery],
        responses=MonitoringSerializer,
    )
    def retrieve(self, request: Request) -> Response:
        return Response(MonitoringSerializer(self._figures()).data)

    @extend_schema(
        operation_id="monitoring_table",
        summary="Take one table of the figures away",
        parameters=[
            PeriodQuery,
            OpenApiParameter("table", str, OpenApiParameter.PATH, description="The table's name."),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def table(self, request: Request, table: str) -> HttpResponse:
        found = tables(self._figures()).get(table)
        if found is None:
            raise NotFound()
        response = HttpResponse(as_csv(found), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{found.name}.csv"'
        return response

    def _figures(self) -> Monitoring:
        asked = PeriodQuery(data=self.request.query_params.dict(), context=self.context())
        asked.is_valid(raise_exception=True)
        end = asked.validated_data.get("end") or timezone.localdate()
        start = asked.validated_data.get("start") or end - timedelta(days=DAYS - 1)
        try:
            return monitor(caller(self.request), site=asked.validated_data.get("site"), start=start, end=end)
        except WrongState as error:  # no state of the portal: days that cannot be
            raise serializers.ValidationError({"start": [str(error)]}) from error
