"""Cases: opened for a patient, filled with scans, read, closed."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from cases.casework import amend_case, cancel_case, close_case, lock_case, open_case, reopen_case
from cases.disclosure import disclose_cases
from cases.joining import join_scans
from cases.models import Case, CaseStatus, Decision, Label, Patient
from cases.worklist import WorklistFilter, cases_shown_to, narrow
from ctportal.api.case_filters import CaseFilter
from ctportal.api.fields import ColleagueField, NameOnly, ReasonSerializer, StrictSerializer
from ctportal.api.filters import LARGEST_ID
from ctportal.api.idempotency import Receipt, once
from ctportal.api.permissions import REVIEW, UPLOAD, require_scope
from ctportal.api.resource import Resource, caller, require_unchanged
from ctportal.api.scans import SCANS, ScanSerializer, shown_scans
from ctportal.api.search import SEARCH_PAGES, SearchedInBody

FACTS = ["accession_number", "reason", "priority", "assigned_reader"]


class PatientOfCase(serializers.ModelSerializer):
    class Meta:
        model = Patient
        fields = ["id", "record_number", "name", "birth_date", "sex", "is_synthetic"]


# Of a case as `cases.worklist` gives it to this caller.
class CaseSerializer(serializers.ModelSerializer):
    site = NameOnly("slug")
    patient = PatientOfCase(read_only=True)
    assigned_reader = NameOnly("username", allow_null=True)
    status = serializers.ChoiceField(
        source="shown_status",
        choices=CaseStatus.choices,
        read_only=True,
        help_text="`open` instead of `in_review` where what colleagues decided is hidden.",
    )
    readers_disagree = serializers.BooleanField(
        source="shown_disagreement",
        read_only=True,
        allow_null=True,
        help_text="On a scan of it; null where what colleagues decided is hidden. The case closes once they agree.",
    )
    decision = serializers.ChoiceField(
        source="shown_decision",
        choices=Decision.choices,
        read_only=True,
        allow_null=True,
        help_text="The gravest answer to any of its scans.",
    )
    final_label = serializers.ChoiceField(
        source="shown_label",
        choices=Label.choices,
        read_only=True,
        allow_null=True,
        help_text="The gravest of the labels on which the readers of each scan agree.",
    )
    answer_hidden = serializers.BooleanField(
        read_only=True,
        help_text="This reader decides on its scans before the model's answers and the colleagues' labels show.",
    )

    class Meta:
        model = Case
        fields = [
            "id",
            "site",
            "patient",
            *FACTS,
            "status",
            "needs_review",
            "readers_disagree",
            "decision",
            "answer_hidden",
            "final_label",
            "created_at",
            "closed_at",
            "cancelled_reason",
        ]


class CaseDetailSerializer(CaseSerializer):
    scans = serializers.SerializerMethodField()

    class Meta(CaseSerializer.Meta):
        fields = [*CaseSerializer.Meta.fields, "scans"]

    @extend_schema_field(ScanSerializer(many=True))
    def get_scans(self, case: Case) -> Any:
        return shown_scans(list(SCANS.filter(case=case)), self.context["request"])


class CaseFacts(StrictSerializer, serializers.ModelSerializer):
    assigned_reader = ColleagueField(required=False, allow_null=True, help_text="A user name, or null for nobody.")

    class Meta:
        model = Case
        fields = FACTS


class NewCase(CaseFacts):
    patient = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, help_text="The patient's number.")

    class Meta(CaseFacts.Meta):
        fields = ["patient", *FACTS]

    def validate_patient(self, pk: int) -> Patient:
        patient = Patient.objects.visible_to(self.context["request"].user).select_related("site").filter(pk=pk).first()
        if patient is None:
            raise serializers.ValidationError(_("There is no such patient at your sites."), code="does_not_exist")
        return patient


class CaseSearch(StrictSerializer):
    search = serializers.CharField(
        max_length=200, help_text="Parts of the patient's name, the record number or the accession number; or #41."
    )


EXAMPLE = OpenApiExample(
    "An urgent case",
    value={
        "patient": 41,
        "accession_number": "ACC-7001",
        "reason": "Fever and dyspnoea for three days",
        "priority": "urgent",
    },
    request_only=True,
)


class JoinedScans(ReasonSerializer):
    scans = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), min_length=2, max_length=1000
    )


class CaseViews(SearchedInBody, Resource):
    """An examination of one patient: its scans, what the model says of them, what the readers decided."""

    queryset = Case.objects.all()
    serializer_class = CaseSerializer
    filterset_class = CaseFilter
    search_class = CaseSearch
    lists = "cases"
    computing = frozenset({"search"})
    scopes = {
        "create": UPLOAD,
        "partial_update": UPLOAD | REVIEW,
        "close": REVIEW,
        "cancel": UPLOAD | REVIEW,
        "join": UPLOAD,
        "reopen": UPLOAD | REVIEW,
    }

    def rows(self) -> Any:
        return cases_shown_to(self.request.user)

    @extend_schema(summary="List cases")
    def list(self, request: Request) -> Response:
        return self.get_paginated_response(self.shown_page(self.page()))

    @extend_schema(
        operation_id="cases_search",
        summary="Search for cases",
        description=SEARCH_PAGES,
        request=CaseSearch,
        responses=CaseSerializer(many=True),
    )
    @action(detail=False, methods=["post"])
    def search(self, request: Request) -> Response:  # type: ignore[override]
        return super().search(request)

    def searched(self, rows: Any, sent: dict[str, Any]) -> Any:
        return narrow(rows, WorklistFilter(search=sent["search"]))

    def shown_page(self, rows: Sequence[Any]) -> Any:
        disclose_cases(caller(self.request), rows)
        return CaseSerializer(rows, many=True, context=self.context()).data

    @extend_schema(summary="Read a case with its scans", responses=CaseDetailSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        case = self.fetch()
        return Response(self._shown(case))

    @extend_schema(summary="Open a case", request=NewCase, responses={201: CaseDetailSerializer}, examples=[EXAMPLE])
    def create(self, request: Request) -> Response:
        return once(request, work=self._open, answer=self._open_response)

    @extend_schema(
        summary="Amend a case",
        description="A token with the scope `review` alone may only assign the reader.",
        request=CaseFacts,
        responses=CaseDetailSerializer,
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        case = self.fetch()
        sent = CaseFacts(data=request.data, partial=True, context=self.context())
        sent.is_valid(raise_exception=True)
        if not set(sent.validated_data) <= {"assigned_reader"}:
            require_scope(request, UPLOAD)
        with transaction.atomic():
            lock_case(case.pk)
            require_unchanged(request, lambda: self._shown(self.fetch()))
            amend_case(case=case, user=caller(request), **sent.validated_data)
        return Response(self._shown(self.fetch()))

    @extend_schema(summary="Close a case", request=None, responses=CaseDetailSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: int) -> Response:
        return once(request, work=self._close, answer=self._case_response)

    @extend_schema(
        summary="Cancel a case that was opened by mistake",
        description="For who opened it, or a manager, while no reader has decided in it. Its scans are not answered.",
        request=ReasonSerializer,
        responses=CaseDetailSerializer,
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        return once(request, work=self._cancel, answer=self._case_response)

    @extend_schema(
        summary="Join scans of a case into one",
        description="The new scan holds their slices, in the order in which the scans are named; the old ones are "
        "withdrawn. Where a reader has decided on one of them, only a manager may do it.",
        request=JoinedScans,
        responses=CaseDetailSerializer,
    )
    @action(detail=True, methods=["post"])
    def join(self, request: Request, pk: int) -> Response:
        return once(request, work=self._join, answer=self._case_response)

    @extend_schema(
        summary="Reopen a closed or cancelled case", request=ReasonSerializer, responses=CaseDetailSerializer
    )
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: int) -> Response:
        return once(request, work=self._reopen, answer=self._case_response)

    def _open(self) -> Receipt:
        sent = NewCase(data=self.request.data, context=self.context())
        sent.is_valid(raise_exception=True)
        return {"case": open_case(user=caller(self.request), **sent.validated_data).pk}

    def _open_response(self, receipt: Receipt) -> Response:
        case = self.shown_row = get_object_or_404(self.get_queryset(), pk=receipt["case"])
        address = reverse("api:case-detail", kwargs={"pk": case.pk}, request=self.request)
        return Response(self._shown(case), status=201, headers={"Location": address})

    def _close(self) -> Receipt:
        close_case(case=self.fetch(), user=caller(self.request))
        return {}

    def _join(self) -> Receipt:
        case = self.fetch()
        sent = JoinedScans(data=self.request.data)
        sent.is_valid(raise_exception=True)
        wanted = list(dict.fromkeys(sent.validated_data["scans"]))
        found = {scan.pk: scan for scan in case.scans.filter(pk__in=wanted)}
        if len(found) < len(wanted):
            raise serializers.ValidationError({"scans": [_("Name scans of this case.")]}, code="does_not_exist")
        scans = [found[number] for number in wanted]
        join_scans(case=case, scans=scans, user=caller(self.request), reason=sent.validated_data["reason"])
        return {}

    def _cancel(self) -> Receipt:
        case = self.fetch()
        sent = ReasonSerializer(data=self.request.data)
        sent.is_valid(raise_exception=True)
        cancel_case(case=case, user=caller(self.request), reason=sent.validated_data["reason"])
        return {}

    def _reopen(self) -> Receipt:
        case = self.fetch()
        if not case.is_cancelled:
            require_scope(self.request, REVIEW)
        sent = ReasonSerializer(data=self.request.data)
        sent.is_valid(raise_exception=True)
        reopen_case(case=case, user=caller(self.request), reason=sent.validated_data["reason"])
        return {}

    def _case_response(self, receipt: Receipt) -> Response:
        return Response(self._shown(self.fetch()))

    def _shown(self, case: Case) -> Any:
        disclose_cases(caller(self.request), [case])
        return CaseDetailSerializer(case, context=self.context()).data
