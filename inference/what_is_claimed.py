"""Says what a model's answer claims and what it does not, in the same words on pages, in the API, help and card."""

from django.utils.translation import gettext_lazy as _

CODE = "opacities_as_in_covid19_pneumonia"
SUBJECT = _("opacities as in COVID-19 pneumonia")
CLAIM = _("The answer is about opacities as in COVID-19 pneumonia, not about their cause.")
LOOK_ALIKES = _(
    "Other pneumonias, fibrosis, oedema and tumours can look alike; the model was not trained to tell them apart."
)
