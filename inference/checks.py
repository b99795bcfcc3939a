"""Refuses settings of site acceptance by which no operating point could ever be proposed, or any."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def acceptance_settings_make_sense(app_configs: Any, **options: Any) -> list[CheckMessage]:
    shares = [name for name in ("ACCEPTANCE_SENSITIVITY", "ACCEPTANCE_WIDEST_INTERVAL") if not _is_share(name)]
    counts = [name for name in ("ACCEPTANCE_LEAST_SCANS", "ACCEPTANCE_LEAST_OF_LABEL") if getattr(settings, name) < 1]
    return [
        Error(f"{name} has no meaning for site acceptance.", hint=hint, id="inference.E001")
        for names, hint in ((shares, "Set it between 0 and 1."), (counts, "Set it to 1 or more."))
        for name in names
    ]


def _is_share(name: str) -> bool:
    return 0 < getattr(settings, name) < 1
