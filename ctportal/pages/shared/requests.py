"""The request of somebody who has logged in, as the views behind `login_required` get it."""

from django.http import HttpRequest

from accounts.models import User


class PersonRequest(HttpRequest):
    user: User
