"""Defines the words for what a model answers and what a reader decides, which several models share."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Label(models.TextChoices):
    COVID = "covid", "COVID-19"
    NON_COVID = "non_covid", _("Not COVID-19")
    CANNOT_TELL = "cannot_tell", _("Cannot tell")


class Decision(models.TextChoices):
    """What the model says of a scan, in the words that people see."""

    COVID = "covid", _("Opacities as in COVID-19 likely")
    UNCERTAIN = "uncertain", _("Uncertain, please read")
    UNSUITABLE = "unsuitable", _("Not suitable for the model")
    NON_COVID = "non_covid", _("Opacities as in COVID-19 unlikely")


# The most worrying first: a case shows the first of these that any of its scans has.
DECISIONS_BY_CONCERN = [
    Decision.COVID,
    Decision.UNCERTAIN,
    Decision.UNSUITABLE,
    Decision.NON_COVID,
]
