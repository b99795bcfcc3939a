"""Refuses limits of the promotion criteria by which no number of patients would ever be enough, or any."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from learning.comparison.gate import GateLimits


@register()
def gate_limits_make_sense(app_configs: Any, **options: Any) -> list[CheckMessage]:
    try:
        GateLimits.of_installation().calculation  # noqa: B018 - it raises where a limit is none
    except ValueError as error:
        return [
            Error(
                f"The promotion criteria have no meaning: {error}.",
                hint="Set GATE_SENSITIVITY_MARGIN, GATE_POWER and GATE_DISAGREEMENT between 0 and 1.",
                id="learning.E001",
            )
        ]
    return []
