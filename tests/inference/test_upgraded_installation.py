"""What a new release's shipped model does in an installation that serves an older one, and in a fresh one."""

import pytest

from ctportal.standalone.launch.prepare import register_shipped_models
from inference.models import ModelStatus, ModelVersion
from inference.service import active_model
from tests.inference.cast import MakeModel

pytestmark = pytest.mark.django_db


def test_a_fresh_installation_starts_with_the_shipped_model() -> None:
    register_shipped_models()
    serving = active_model()
    assert serving is not None
    assert serving.name == "resnet152-astra"


def test_an_older_installation_is_offered_the_shipped_model_and_keeps_its_own(make_model: MakeModel) -> None:
    older = make_model("1.2.0")
    register_shipped_models()
    register_shipped_models()
    assert active_model() == older
    shipped = ModelVersion.objects.get(name="resnet152-astra")
    assert shipped.status == ModelStatus.CANDIDATE
    assert shipped.card["claim"]
    assert shipped.card["maps"]["reason"]
