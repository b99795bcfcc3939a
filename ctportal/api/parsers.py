"""JSON of a bounded size and depth, whose words can be stored and shown."""

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 32
# Line breaks and tabs belong to a text; which field takes none, the fields say.
UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class BoundedJSONParser(JSONParser):
    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data = stream.read(limit + 1)
        if len(data) > limit:
            raise RequestDataTooBig
        try:
            parsed = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise ParseError(_("The body is not JSON in UTF-8.")) from error
        _check(parsed)
        return parsed


def _check(parsed: Any) -> None:
    """Check names and values alike, before any field looks at them, and say where the first unfit one is."""
    level, depth = [("#", parsed)], 0
    while level:
        if depth > DEEPEST:
            raise ParseError(_("The body is nested deeper than %(DEEPEST)s levels.") % {"DEEPEST": DEEPEST})
        below: list[tuple[str, Any]] = []
        for place, part in level:
            if isinstance(part, str) and UNFIT.search(part):
                raise ParseError(
                    _("%(place)s holds a control character or half a character (a lone surrogate).") % {"place": place}
                )
            if isinstance(part, dict):
                below += [(f"A name in {place}", name) for name in part]
                below += [(f"{place}/{name if name.isidentifier() else '…'}", value) for name, value in part.items()]
            elif isinstance(part, list):
                below += [(f"{place}/{number}", value) for number, value in enumerate(part)]
        level, depth = below, depth + 1


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(_("too large for a number"))


def _refuse_constant(name: str) -> None:
    raise ValueError(_("%(name)s is not JSON") % {"name": name})
