"""The offer to withdraw a decision, in the message that says that it was recorded."""

from typing import Any

from django import template
from django.contrib.messages.storage.base import Message

from ctportal.pages.reading.undo import offer_of

register = template.Library()


@register.inclusion_tag("reading/_undo.html", takes_context=True)
def undo_offer(context: template.Context, message: Message) -> dict[str, Any]:
    """Asks the database only where the message is about a decision."""
    request = context.get("request")
    if request is None or not message.extra_tags or not request.user.is_authenticated:
        return {}
    return {"offer": offer_of(message.extra_tags, request.user), "csrf_token": context.get("csrf_token")}
