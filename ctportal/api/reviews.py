"""Serves what readers decide: never edited, only superseded by the same reader."""

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.rights import Right
from cases.disclosure import note_shown
from cases.models import Label, Review
from cases.reading import decide
from cases.reviews import hidden_scans
from cases.withdrawal import withdraw_review
from ctportal.api.fields import NameOnly, StrictSerializer
from ctportal.api.filters import LARGEST_ID, IdFilter
from ctportal.api.idempotency import Receipt, once
from ctportal.api.permissions import REVIEW
from ctportal.api.resource import Resource, caller
from ctportal.api.scans import SCANS

REVIEWS = Review.objects.select_related("scan__case__patient__site", "reader", "superseded_by")


class ReviewSerializer(serializers.ModelSerializer):
    case = serializers.IntegerField(source="scan.case_id", read_only=True)
    reader = NameOnly("username")
    prediction = serializers.IntegerField(
        source="prediction_id", read_only=True, allow_null=True, help_text="The answer there was at the time."
    )
    label = serializers.SerializerMethodField(  # type: ignore[assignment]  # a Field's own name
        help_text="Empty where a withdrawal left the reader without a decision."
    )
    is_current = serializers.SerializerMethodField(
        help_text="What the reader holds now: neither superseded nor withdrawn."
    )
    readers_disagree = serializers.BooleanField(
        source="scan.readers_disagree", read_only=True, help_text="On this scan, now: one of them changes the decision."
    )

    class Meta:
        model = Review
        extra_kwargs = {
            "withdraws": {
                "help_text": "It takes back the review that it supersedes; what the reader held before counts."
            }
        }
        fields = [
            "id",
            "scan",
            "case",
            "reader",
            "label",
            "withdraws",
            "reason",
            "agrees",
            "was_blinded",
            "prediction",
            "model_decision",
            "model_probability",
            "supersedes",
            "is_current",
            "readers_disagree",
            "created_at",
        ]

    def get_label(self, review: Review) -> Label | None:
        return Label(review.label) if review.label else None

    def get_is_current(self, review: Review) -> bool:
        return review.label != "" and not hasattr(review, "superseded_by")


class NewReview(StrictSerializer):
    label = serializers.ChoiceField(choices=Label.choices)  # type: ignore[assignment]  # a Field's own name
    reason = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, default="", help_text="Needed to override or change."
    )
    prediction = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="The answer that the reader saw. If the model has answered anew since, nothing is recorded (409).",
    )
    confirm = serializers.BooleanField(
        default=False,
        help_text="The reader confirms the model's answer. If the label is not what the model says, nothing is "
        "recorded (409).",
    )
    seen_review = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=LARGEST_ID,
        help_text="The newest review of the scan that the reader saw, 0 for none. If the scan was decided anew since, "
        "nothing is recorded (409); the same decision sent twice is recorded once.",
    )
    close = serializers.BooleanField(default=False, help_text="Close the case too, if nothing in it is left to decide.")


class ReviewFilter(django_filters.FilterSet):
    scan = IdFilter(field_name="scan_id", label="The number of a scan.")
    case = IdFilter(field_name="scan__case_id", label="The number of a case.")
    reader = django_filters.CharFilter(field_name="reader__username", label="A user name.")
    label = django_filters.ChoiceFilter(choices=Label.choices, label="What was decided.")

    class Meta:
        model = Review
        fields: list[str] = []


EXAMPLES = [
    OpenApiExample("Confirm", value={"label": "covid", "confirm": True, "prediction": 12}, request_only=True),
    OpenApiExample(
        "Override", value={"label": "non_covid", "reason": "Motion artefact, no opacity."}, request_only=True
    ),
]


class ReviewViews(Resource):
    """Decisions are sent to `/scans/{id}/reviews/`. Those of colleagues show once a blinded reader has decided."""

    queryset = REVIEWS.order_by("-pk")
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter
    scopes = {"withdraw": REVIEW}
    lists = "reviews"

    def rows(self) -> Any:
        return super().rows().exclude(scan__in=hidden_scans(caller(self.request)))

    @extend_schema(summary="List reviews, the newest first")
    def list(self, request: Request) -> Response:
        rows = self.page()
        return self.get_paginated_response(shown_reviews(rows, request))

    @extend_schema(summary="Read a review")
    def retrieve(self, request: Request, pk: int) -> Response:
        review = self.fetch()
        return Response(shown_reviews([review], request)[0])

    @extend_schema(
        summary="Withdraw a decision",
        description="Within ten seconds, by the reader who decided: scan and case are again what they were, and a case "
        "that was closed with the decision is reopened. Answers with the withdrawal, a review of its own. Later only "
        "another decision supersedes the first.",
        request=None,
        responses={201: ReviewSerializer},
    )
    @action(detail=True, methods=["post"], filterset_class=None)
    def withdraw(self, request: Request, pk: int) -> Response:
        return once(request, work=self._withdraw, answer=self._withdrawn)

    def _withdraw(self) -> Receipt:
        withdrawal = withdraw_review(review=self.fetch(right=Right.REVIEW), reader=caller(self.request))
        return {"review": withdrawal.pk}

    def _withdrawn(self, receipt: Receipt) -> Response:
        self.fetch()  # a replay shows only what may still be seen
        return created_review(receipt["review"], self.request)


def created_review(pk: int, request: Request) -> Response:
    review = REVIEWS.get(pk=pk)
    address = reverse("api:review-detail", kwargs={"pk": review.pk}, request=request)
    return Response(shown_reviews([review], request)[0], status=201, headers={"Location": address})


def shown_reviews(reviews: list[Review], request: Request) -> Any:
    """Of scans whose reviews the caller may see; they count as shown."""
    note_shown(caller(request), {review.scan_id for review in reviews})
    return ReviewSerializer(reviews, many=True, context={"request": request}).data


class ScanReviewViews(Resource):
    queryset = SCANS
    serializer_class = ReviewSerializer
    pagination_class = None
    scopes = {"create": REVIEW}

    @extend_schema(
        operation_id="scans_reviews_create",
        tags=["reviews"],
        summary="Decide on a scan",
        description="Confirms the model's answer, overrides it (needs a reason), or supersedes the reader's own "
        "earlier decision (needs a reason too).",
        request=NewReview,
        responses={201: ReviewSerializer},
        examples=EXAMPLES,
    )
    def create(self, request: Request, pk: int) -> Response:
        return once(request, work=self._record, answer=self._record_response)

    def _record(self) -> Receipt:
        scan = self.fetch(right=Right.REVIEW)
        sent = NewReview(data=self.request.data)
        sent.is_valid(raise_exception=True)
        facts = sent.validated_data
        decided = decide(
            scan=scan,
            reader=caller(self.request),
            label=facts["label"],
            reason=facts["reason"],
            confirms=facts["confirm"],
            seen_prediction=facts.get("prediction", scan.prediction_id),
            seen_review=facts.get("seen_review"),
            close=facts["close"],
        )
        return {"review": decided.review.pk}

    def _record_response(self, receipt: Receipt) -> Response:
        self.fetch()  # a replay shows only what may still be seen
        return created_review(receipt["review"], self.request)
