"""What the frame around every page shows."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.rights import Right, rights_anywhere


@dataclass(frozen=True)
class NavItem:
    name: str
    words: str
    icon: str
    keys: str
    address: str
    is_current: bool


# URL name, words, icon, keyboard shortcut, the right that it takes at one site at least.
NAVIGATION = [
    ("worklist", _("Worklist"), "list-task", "g w", Right.VIEW),
    ("patient-list", _("Patients"), "people", "g p", Right.VIEW),
    ("models", _("Models"), "cpu", "g o", Right.VIEW),
    ("monitoring", _("Monitoring"), "graph-up", "g i", Right.MANAGE),
    ("labels", _("Labelled set"), "tags", "g l", Right.MANAGE),
    ("learning", _("Learning"), "arrow-repeat", "g t", Right.MANAGE),
    ("events", _("Events"), "clock-history", "g e", Right.MANAGE),
    ("members", _("Members"), "person-gear", "g m", Right.MANAGE),
]


def chrome(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"navigation": [], "can_upload_somewhere": False}
    rights = rights_anywhere(user)
    return {
        "idle_seconds": settings.SESSION_IDLE_MINUTES * 60,
        "navigation": [_item(request, *entry[:4]) for entry in NAVIGATION if entry[4] in rights],
        "can_upload_somewhere": Right.UPLOAD in rights,
    }


def _item(request: HttpRequest, name: str, words: Promise | str, icon: str, keys: str) -> NavItem:
    address = reverse(name)
    here = request.path == address if address == "/" else request.path.startswith(address)
    return NavItem(name=name, words=str(words), icon=icon, keys=keys, address=address, is_current=here)
