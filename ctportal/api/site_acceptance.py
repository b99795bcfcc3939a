"""Serves how a model does at a site and the proposed operating point, and takes the managers' decisions."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_dataclasses.serializers import DataclassSerializer

from accounts.models import Site
from accounts.rights import Right, fetch
from ctportal.api.fields import NameOnly, ReasonSerializer
from ctportal.api.idempotency import Receipt, once
from ctportal.api.names import ModelNameSerializer
from ctportal.api.permissions import TRAIN
from ctportal.api.resource import Resource, caller
from inference.models import ModelVersion, SiteAcceptance
from inference.models.acceptance import POINT_FIELDS
from ml.evaluation.site_point import PointFigures
from monitoring.acceptance.decisions import accept, decline, revert
from monitoring.acceptance.state import SiteModel, Stage, fetch_served_model, history, site_model


class PointFiguresSerializer(DataclassSerializer):
    class Meta:
        dataclass = PointFigures


class PointSerializer(serializers.Serializer):
    """The site's probability is 0.01 + 0.98 · sigmoid(slope · log-odds of the model's probability + offset)."""

    slope = serializers.FloatField()
    offset = serializers.FloatField()
    operating_point = serializers.FloatField(help_text="Positive from here where the model may not abstain.")
    low = serializers.FloatField(help_text="“Unlikely” below.")
    high = serializers.FloatField(help_text="“Likely” from here.")


class EvidenceSerializer(serializers.Serializer):
    scans = serializers.IntegerField(source="n")
    infected = serializers.IntegerField()
    not_infected = serializers.IntegerField()
    patients = serializers.IntegerField()
    unlike_training = serializers.IntegerField()
    leaves_out = serializers.BooleanField(help_text="Scans on which the caller has to decide first are not counted.")


class AcceptanceDecisionSerializer(serializers.ModelSerializer):
    decided_by = NameOnly("username")
    restores = serializers.SerializerMethodField(help_text="Of one taken back: the number of the one in force again.")
    figures_withheld = serializers.SerializerMethodField(
        help_text="The caller has to decide on scans that were counted, and sees the figures afterwards."
    )
    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()

    class Meta:
        model = SiteAcceptance
        fields = ["number", "choice", *POINT_FIELDS, "restores", "reason", "decided_by", "decided_at",
                  "figures_withheld", "before", "after"]  # fmt: skip

    def to_representation(self, decision: Any) -> dict[str, Any]:
        self._decision = decision
        return super().to_representation(decision.row)

    @extend_schema_field({"type": ["integer", "null"]})
    def get_restores(self, row: SiteAcceptance) -> int | None:
        return row.restores.number if row.restores else None

    def get_figures_withheld(self, row: SiteAcceptance) -> bool:
        return bool(self._decision.is_withheld)

    @extend_schema_field(PointFiguresSerializer(allow_null=True))
    def get_before(self, row: SiteAcceptance) -> Any:
        return PointFiguresSerializer(self._decision.before).data if self._decision.before else None

    @extend_schema_field(PointFiguresSerializer(allow_null=True))
    def get_after(self, row: SiteAcceptance) -> Any:
        return PointFiguresSerializer(self._decision.after).data if self._decision.after else None


class ProposalSerializer(serializers.Serializer):
    key = serializers.CharField(help_text="Send it back with the decision, so that you decide on what you saw.")
    point = PointSerializer()
    figures = PointFiguresSerializer(help_text="Of points that were fitted without the scan that they judge.")


class SiteAcceptanceSerializer(serializers.Serializer):
    site = serializers.SlugField(source="site.slug")
    model = ModelNameSerializer()
    stage = serializers.ChoiceField(choices=Stage.choices)
    in_force = serializers.IntegerField(
        source="in_force.number", allow_null=True, default=None,
        help_text="The number of the decision by which new answers are judged; null: the model's own operating point.",
    )  # fmt: skip
    evidence = EvidenceSerializer(help_text="Scans decided before any answer was shown.")
    unblinded = EvidenceSerializer(help_text="Scans decided with the answer on screen; nothing is proposed from them.")
    figures = PointFiguresSerializer(source="assessment.figures", help_text="By the operating point in force.")
    unblinded_figures = PointFiguresSerializer()
    missing = serializers.ListField(
        child=serializers.CharField(), source="assessment.missing", help_text="Why nothing is proposed, in sentences."
    )
    proposal = serializers.SerializerMethodField()
    decisions = serializers.SerializerMethodField(help_text="The newest first.")

    @extend_schema_field(ProposalSerializer(allow_null=True))
    def get_proposal(self, found: SiteModel) -> Any:
        proposal = found.assessment.proposal
        if proposal is None:
            return None
        return ProposalSerializer({"key": found.key, "point": proposal.point, "figures": proposal.figures}).data

    @extend_schema_field(AcceptanceDecisionSerializer(many=True))
    def get_decisions(self, found: SiteModel) -> Any:
        return AcceptanceDecisionSerializer(self.context["history"], many=True).data


class PointDecision(ReasonSerializer):
    key = serializers.CharField(max_length=80, help_text="Of the proposal that the caller saw.")


class TakingBack(ReasonSerializer):
    number = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="Of the decision that is in force.")


class SiteAcceptanceViews(Resource):
    """For managers of the site: whether a model holds there, and by which operating point it answers."""

    queryset = ModelVersion.objects.all()
    serializer_class = SiteAcceptanceSerializer
    pagination_class = None
    filter_backends = []
    scopes = dict.fromkeys(("accept", "decline", "revert"), TRAIN)

    @extend_schema(summary="Read how a model does at a site", tags=["models"], responses=SiteAcceptanceSerializer)
    def retrieve(self, request: Request, pk: int, slug: str) -> Response:
        return self._shown({})

    @extend_schema(
        summary="Accept the proposed operating point",
        description="It judges new answers at the site from then on; earlier ones keep what judged them.",
        tags=["models"],
        request=PointDecision,
        responses=SiteAcceptanceSerializer,
    )
    def accept(self, request: Request, pk: int, slug: str) -> Response:
        return once(request, work=lambda: self._decide(accept), answer=self._shown)

    @extend_schema(
        summary="Decline the proposed operating point",
        tags=["models"],
        request=PointDecision,
        responses=SiteAcceptanceSerializer,
    )
    def decline(self, request: Request, pk: int, slug: str) -> Response:
        return once(request, work=lambda: self._decide(decline), answer=self._shown)

    @extend_schema(
        summary="Take an accepted operating point back",
        description="The one before it is in force again, at last the model's own.",
        tags=["models"],
        request=TakingBack,
        responses=SiteAcceptanceSerializer,
    )
    def revert(self, request: Request, pk: int, slug: str) -> Response:
        return once(request, work=self._revert, answer=self._shown)

    def _decide(self, act: Any) -> Receipt:
        site, model = self._asked()
        sent = self._sent(PointDecision)
        act(site=site, model=model, user=caller(self.request), seen=sent["key"], reason=sent["reason"])
        return {}

    def _revert(self) -> Receipt:
        site, model = self._asked()
        sent = self._sent(TakingBack)
        revert(site=site, model=model, user=caller(self.request), seen=sent["number"], reason=sent["reason"])
        return {}

    def _shown(self, receipt: Receipt) -> Response:
        site, model = self._asked()
        user = caller(self.request)
        context = self.context(history=history(user, site=site, model=model))
        return Response(SiteAcceptanceSerializer(site_model(user, site=site, model=model), context=context).data)

    def _asked(self) -> tuple[Site, ModelVersion]:
        user, slug = caller(self.request), self.kwargs["slug"]
        site = fetch(Site.objects.all(), user=user, right=Right.MANAGE, slug=slug)
        return site, fetch_served_model(self.kwargs["pk"])

    def _sent(self, serializer: type[serializers.Serializer]) -> dict[str, Any]:
        sent = serializer(data=self.request.data)
        sent.is_valid(raise_exception=True)
        return sent.validated_data
