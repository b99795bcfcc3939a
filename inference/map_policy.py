"""Says whether a model's maps are shown without being asked for, and why not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from inference.models import ModelVersion


@dataclass(frozen=True)
class MapPolicy:
    """Holds what the artefact's card says under `maps`; an artefact that says nothing leaves it to the page."""

    is_held_back: bool  # shown only to who asks for it knowing why it is not
    reason: str = ""


def map_policy(model: ModelVersion) -> MapPolicy:
    stated: Any = model.card.get("maps") if isinstance(model.card, Mapping) else None
    if not isinstance(stated, Mapping) or stated.get("shown_by_default", True):
        return MapPolicy(False)
    return MapPolicy(True, str(stated.get("reason") or "") or _("Its maps were not shown to point at disease."))
