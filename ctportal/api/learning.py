"""What comes next in the learning loop, and what it still needs."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Site
from accounts.rights import Right, require_somewhere
from cases.models import Label
from ctportal.api.names import ModelNameSerializer
from ctportal.api.resource import Resource, caller
from learning.loop import loop_of
from learning.models import Split
from learning.next_step import Step, StepKind, next_step
from learning.training.sample_sizes import Purpose


class RequirementSerializer(serializers.Serializer):
    """So many patients with a scan of this label are needed in this split."""

    purpose = serializers.ChoiceField(
        choices=Purpose.choices, help_text="`promotion`: without an override by two people."
    )
    split = serializers.ChoiceField(choices=Split.choices)
    label = serializers.ChoiceField(choices=Label.choices)  # type: ignore[assignment]  # a Field's own name
    present = serializers.IntegerField()
    needed = serializers.IntegerField()
    is_met = serializers.BooleanField()
    words = serializers.CharField(help_text="For people: `3 of 10 training patients with COVID-19`.")


class StepSerializer(serializers.Serializer):
    """The numbers of what the step is about are null where it is about none."""

    step = serializers.ChoiceField(source="kind", choices=StepKind.choices)
    words = serializers.SerializerMethodField(help_text="What to do, in one line.")
    details = serializers.ListField(child=serializers.CharField(), help_text="Why, in sentences.")
    dataset = serializers.IntegerField(source="dataset.pk", default=None, allow_null=True)
    training_run = serializers.IntegerField(source="run.pk", default=None, allow_null=True)
    comparison_request = serializers.IntegerField(source="comparing.pk", default=None, allow_null=True)
    comparison = serializers.IntegerField(source="comparison.pk", default=None, allow_null=True)
    override = serializers.IntegerField(source="override.pk", default=None, allow_null=True)
    scans = serializers.IntegerField(help_text="That wait for a reader, or to be read again.")

    @extend_schema_field(serializers.CharField)
    def get_words(self, step: Step) -> str:
        return str(step.kind.label)


class LoopSerializer(serializers.Serializer):
    next_step = StepSerializer()
    requirements = RequirementSerializer(many=True, help_text="Of what is labelled now at the caller's sites.")
    new_labels = serializers.IntegerField(help_text="Labelled scans that no data set holds yet.")
    scans_to_read = serializers.IntegerField(
        help_text="Scans that no reader has decided yet, and those that you read blinded and have to decide on."
    )
    in_service = ModelNameSerializer(source="serving", allow_null=True)


class LearningViews(Resource):
    """For managers: the same answer that the page of the learning loop gives."""

    queryset = Site.objects.all()
    serializer_class = LoopSerializer
    pagination_class = None
    filter_backends = []

    @extend_schema(operation_id="learning_next_step", summary="Ask what comes next", responses=LoopSerializer)
    def next_step(self, request: Request) -> Response:
        require_somewhere(caller(request), Right.MANAGE)
        loop = loop_of(caller(request))
        answer: dict[str, Any] = {name: getattr(loop, name) for name in LOOP_FACTS}
        return Response(LoopSerializer({"next_step": next_step(loop), **answer}).data)


LOOP_FACTS = ("requirements", "new_labels", "scans_to_read", "serving")
