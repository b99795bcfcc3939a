"""Serves the patients of the caller's sites."""

from collections.abc import Sequence
from typing import Any

import django_filters
from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.models import Site, User
from accounts.rights import Right, sites_with
from cases.casework import amend_patient, lock_patient, register_patient
from cases.models import Patient, PatientQuerySet
from cases.validators import normal_text
from cases.worklist import patients_found
from ctportal.api.fields import NameOnly, SiteField, StrictSerializer
from ctportal.api.idempotency import Receipt, once
from ctportal.api.permissions import UPLOAD
from ctportal.api.problems import INVALID, Problem
from ctportal.api.resource import Resource, caller, require_unchanged
from ctportal.api.search import SEARCH_PAGES, SearchedInBody

FACTS = ["record_number", "name", "birth_date", "sex"]


class PatientSerializer(serializers.ModelSerializer):
    site = NameOnly("slug")

    class Meta:
        model = Patient
        fields = ["id", "site", *FACTS, "is_synthetic", "created_at"]


class PatientFacts(StrictSerializer, serializers.ModelSerializer):
    class Meta:
        model = Patient
        fields = FACTS
        validators: list[Any] = []


class NewPatient(PatientFacts):
    site = SiteField(required=False, help_text="Its slug. May be left out by who uploads at one site only.")

    class Meta(PatientFacts.Meta):
        fields = ["site", *FACTS]


class PatientFilter(django_filters.FilterSet):
    site = django_filters.CharFilter(field_name="site__slug", label="The slug of a site.")

    class Meta:
        model = Patient
        fields: list[str] = []

    def filter_queryset(self, queryset: PatientQuerySet) -> PatientQuerySet:
        asked = self.form.cleaned_data
        if slug := asked["site"]:
            queryset = queryset.filter(site__slug=slug)
        return queryset


class PatientSearch(StrictSerializer):
    record_number = serializers.CharField(max_length=64, required=False, help_text="The whole medical record number.")
    search = serializers.CharField(
        max_length=200, required=False, help_text="Parts of the name or of the medical record number."
    )


EXAMPLE = OpenApiExample(
    "A patient",
    value={"record_number": "MRN-2041", "name": "Example, Erika", "birth_date": "1961-04-12", "sex": "F"},
    request_only=True,
)


class PatientViews(SearchedInBody, Resource):
    """People whose scans are read. A medical record number is unique in its site."""

    queryset = Patient.objects.select_related("site").order_by("-pk")
    serializer_class = PatientSerializer
    filterset_class = PatientFilter
    search_class = PatientSearch
    scopes = {"create": UPLOAD, "partial_update": UPLOAD}
    lists = "patients"
    computing = frozenset({"search"})

    @extend_schema(summary="List patients, the newest first")
    def list(self, request: Request) -> Response:
        return self.get_paginated_response(self.shown_page(self.page()))

    @extend_schema(
        operation_id="patients_search",
        summary="Search for patients",
        description=SEARCH_PAGES,
        request=PatientSearch,
        responses=PatientSerializer(many=True),
    )
    @action(detail=False, methods=["post"])
    def search(self, request: Request) -> Response:  # type: ignore[override]
        return super().search(request)

    def searched(self, rows: Any, sent: dict[str, Any]) -> Any:
        if number := sent.get("record_number"):
            rows = rows.filter(record_number__iexact=normal_text(number))
        if words := sent.get("search"):
            rows = rows.filter(pk__in=patients_found(caller(self.request), words).order_by().values("pk"))
        return rows

    def shown_page(self, rows: Sequence[Any]) -> Any:
        return self.get_serializer(rows, many=True).data

    @extend_schema(summary="Read a patient")
    def retrieve(self, request: Request, pk: int) -> Response:
        patient = self.fetch()
        return Response(self.get_serializer(patient).data)

    @extend_schema(
        summary="Register a patient",
        request=NewPatient,
        responses={201: PatientSerializer},
        examples=[EXAMPLE],
        description="A record number that the site has already is answered with 409 and the `existing` patient.",
    )
    def create(self, request: Request) -> Response:
        return once(request, work=self._register, answer=self._register_response)

    @extend_schema(summary="Amend a patient", request=PatientFacts, responses=PatientSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        patient = self.fetch(right=Right.UPLOAD)
        facts = PatientFacts(data=request.data, partial=True)
        facts.is_valid(raise_exception=True)
        with transaction.atomic():
            lock_patient(patient.pk)
            require_unchanged(request, lambda: self.get_serializer(self.fetch()).data)
            amend_patient(patient=patient, user=caller(request), **facts.validated_data)
        return Response(self.get_serializer(patient).data)

    def _register(self) -> Receipt:
        sent = NewPatient(data=self.request.data, context=self.context())
        sent.is_valid(raise_exception=True)
        facts = dict(sent.validated_data)
        site = facts.pop("site", None) or _only_site(caller(self.request))
        return {"patient": register_patient(site=site, user=caller(self.request), **facts).pk}

    def _register_response(self, receipt: Receipt) -> Response:
        patient = self.shown_row = get_object_or_404(self.get_queryset(), pk=receipt["patient"])
        address = reverse("api:patient-detail", kwargs={"pk": patient.pk}, request=self.request)
        return Response(self.get_serializer(patient).data, status=201, headers={"Location": address})


def _only_site(user: User) -> Site:
    sites = list(sites_with(user, Right.UPLOAD)[:2] or Site.objects.visible_to(user)[:2])
    if len(sites) != 1:
        wrong = {"pointer": "#/site", "code": "required", "detail": _("Name the site by its slug.")}
        raise Problem(INVALID, _("The site is missing."), errors=[wrong])
    return sites[0]
